"""A server with a guard taken out, to show that the races over HTTP would find it."""

import os
from uuid import UUID

import pytest

from lockstock.cli import main
from lockstock.kernel.ids import new_id
from tests.races import broken


def forgetful_id(*_parts: object) -> UUID:
    """Give every request an id of its own, as if it had never been made before."""
    return new_id()


if __name__ == "__main__":
    patch = pytest.MonkeyPatch()
    match os.environ["LOCKSTOCK_BROKEN"]:
        case "row locks":
            with broken.without_row_locks(patch):
                main()
        case "idempotency":
            patch.setattr("lockstock.orders.rules.derived_id", forgetful_id)
            main()
