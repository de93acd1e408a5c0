"""The public face of Tailrace: what plug-ins import stands in ``tailrace.api``."""
