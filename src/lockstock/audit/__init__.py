"""Audit: proves on the live database that nothing was oversold and nothing was lost."""
