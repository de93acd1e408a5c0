"""Tailrace's alerts: a journal, an outbox, and the targets that are told of incidents."""
