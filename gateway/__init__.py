"""Polder: one API over Dutch bookkeeping."""
