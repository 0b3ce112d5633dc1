"""Words that every service shares. Imports no service."""
