"""Sessions: who is logged in, and the refresh tokens that keep it so."""
