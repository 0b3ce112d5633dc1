"""The sandbox: a provider for development and tests that can be told to misbehave."""
