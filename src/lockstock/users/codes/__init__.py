"""One-time codes: hashed, short-lived, few tries, good once."""
