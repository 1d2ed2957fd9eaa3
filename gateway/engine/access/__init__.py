"""Who may do what: API keys, their limits and permissions, and the log of who did what."""
