"""What every enricher keeps to."""
