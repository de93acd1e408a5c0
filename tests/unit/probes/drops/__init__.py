"""The drops probe, without a kernel."""
