"""Sending: takes what is due, posts it, and notes how that went."""
