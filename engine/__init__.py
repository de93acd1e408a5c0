"""What carries the rest of Tailrace: topology, transport, schemas, configuration, ledger, command line."""

__version__ = "0.1.0"
