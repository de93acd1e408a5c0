"""Running as a service: what systemd is told, what the journal gets, and what a reload changes."""
