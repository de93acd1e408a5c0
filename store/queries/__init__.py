"""Questions about who talks to whom, answered from a store: one core for the HTTP API and the command line."""
