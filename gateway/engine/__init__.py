"""The life of a request, with no HTTP framework, no database and no provider in it."""
