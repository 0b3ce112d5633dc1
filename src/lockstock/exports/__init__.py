"""Exports: products and stock into files, through the public API."""
