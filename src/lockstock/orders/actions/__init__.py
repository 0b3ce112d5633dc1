"""Actions: what was asked of an order under which idempotency key, and what was answered."""
