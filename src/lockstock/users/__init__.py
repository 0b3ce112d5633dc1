"""Users, identities, passwords, codes, sessions."""
