"""Connections: made, given access by their owner, changed, looked up and ended."""
