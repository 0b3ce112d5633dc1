"""`python -m lockstock` is `lockstock`."""

from lockstock.cli import main

main()
