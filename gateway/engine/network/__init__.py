"""The way to the network: HTTP/1.1 over sockets, and what became of each request. No provider, and no token."""
