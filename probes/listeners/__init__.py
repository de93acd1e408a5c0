"""The probe of listening sockets."""
