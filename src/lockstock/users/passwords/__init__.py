"""Passwords: how they are hashed, changed and reset."""
