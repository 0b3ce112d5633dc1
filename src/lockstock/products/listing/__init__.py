"""The list of products: sorting, searching, paging, and what is in stock."""
