"""What runs Tailrace: graphs, roles, configuration, transport, NATS, recordings, command line."""
