"""Imports: products and stock from files, through the public API."""
