"""The probe of TLS handshakes."""
