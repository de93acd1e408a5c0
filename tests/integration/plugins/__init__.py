"""Plug-ins of other people, installed as they install them."""
