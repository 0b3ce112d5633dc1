"""`python -m lockstock` and the command `lockstock`."""

import signal

# To load what follows takes a second or two, in which there is nothing yet to tidy up: Ctrl-C then
# ends the process at once and prints no traceback. Who ignores it (nohup) goes on ignoring it.
IS_USUAL = signal.getsignal(signal.SIGINT) is signal.default_int_handler
if IS_USUAL:
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from lockstock.cli import main  # noqa: E402

if IS_USUAL:
    signal.signal(signal.SIGINT, signal.default_int_handler)

if __name__ == "__main__":
    main()
