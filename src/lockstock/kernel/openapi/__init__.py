"""The description of the API: one story told in examples, and what every operation has."""
