"""Sinks: where flows, or deltas, go; one class each, behind the contract of ``engine.sink``."""
