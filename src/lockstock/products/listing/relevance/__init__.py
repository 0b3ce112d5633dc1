"""The list of products by how well each fits what was typed."""
