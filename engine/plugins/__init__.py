"""Plug-ins: which are installed, loading them, checking their settings, and saying in one line what is wrong."""
