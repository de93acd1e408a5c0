"""Sinks: where the deltas go; one class each, behind the contract of ``engine.sink``."""
