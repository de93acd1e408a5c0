"""The public face of Tailrace: what plug-ins import stands in ``tailrace.api``."""

__version__ = "0.1.0"
