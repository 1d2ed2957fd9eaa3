"""How a write is done once, told truthfully, and found out about where its answer never came."""
