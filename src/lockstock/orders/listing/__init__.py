"""Lists of orders: a shop's, and a customer's own."""
