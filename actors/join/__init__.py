"""Both ends of a connection become one flow."""
