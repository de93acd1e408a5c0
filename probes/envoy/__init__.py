"""The probe of Envoy."""
