"""Accounting systems, one folder each; README.md says how to add one."""
