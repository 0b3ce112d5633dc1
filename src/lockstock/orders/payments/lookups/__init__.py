"""Look-ups: providers are asked about the payments that nobody has told of."""
