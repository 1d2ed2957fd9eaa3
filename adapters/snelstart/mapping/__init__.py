"""What SnelStart says as we say it, and back: pure functions."""
