"""Rompslomp: Dutch bookkeeping for small firms."""
