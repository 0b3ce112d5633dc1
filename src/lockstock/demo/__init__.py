"""A shop to look at: its range, its people, and eight weeks of orders behind it."""
