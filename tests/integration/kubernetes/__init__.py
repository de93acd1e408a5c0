"""Kubernetes, as an API server of our own that follows the protocol of the real one."""
