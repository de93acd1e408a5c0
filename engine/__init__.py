"""What runs the rest: graphs, roles, configuration, transport, NATS, recordings, command line."""
