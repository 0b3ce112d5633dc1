"""A client of Lockstock's public HTTP API."""
