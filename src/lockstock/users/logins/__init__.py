"""Logging in, by password or one-time code."""
