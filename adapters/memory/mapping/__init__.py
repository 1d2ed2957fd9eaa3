"""Between Memory Books' words and ours: pure functions, one module per subject, both directions beside each other."""
