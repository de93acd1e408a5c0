"""Finding TLS libraries."""
