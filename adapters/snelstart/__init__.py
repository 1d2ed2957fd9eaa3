"""SnelStart: Dutch bookkeeping, by its B2B API v2."""
