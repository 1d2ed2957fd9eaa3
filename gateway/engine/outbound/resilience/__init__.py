"""What keeps one system's bad hour from becoming everybody's: budgets, breakers and bulkheads.

Each is a small state machine with time and dice given, and one process's own view: nodes need not agree on it.
"""
