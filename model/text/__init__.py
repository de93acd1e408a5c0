"""Rows as text for people."""
