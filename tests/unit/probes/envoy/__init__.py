"""Finding functions of an Envoy."""
