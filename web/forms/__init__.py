"""Answers as text: tables, CSV, pictures."""
