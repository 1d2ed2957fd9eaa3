"""The contract: what a caller sees, what an adapter must give, and nothing that does I/O.

Everything here is pure. Adapters import this package and nothing else of Polder.
"""
