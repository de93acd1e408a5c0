"""Datagrams of UDP as programs count them themselves."""
