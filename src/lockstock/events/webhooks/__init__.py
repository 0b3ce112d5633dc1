"""Webhooks: who is told of what happens in a shop, over HTTP."""
