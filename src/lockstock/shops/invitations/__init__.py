"""Invitations: how somebody comes to work in a shop who has no account yet."""
