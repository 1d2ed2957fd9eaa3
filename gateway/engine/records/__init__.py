"""What stands between a system's records and ours: ids, kept fields, and the bytes that go out."""
