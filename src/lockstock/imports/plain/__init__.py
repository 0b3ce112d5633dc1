"""Plain CSV, as docs/importing.md has it."""
