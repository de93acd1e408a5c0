"""Queries of DNS against the logs of real servers."""
