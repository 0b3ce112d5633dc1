"""Many processes in one: in a single one, calls at once are gathered and never meet."""

from typing import Any, cast

from lockstock.warehouses.reservations.service import ReservationsService
from tests.warehouses.depot import Depot


class _Apart:
    def __init__(self, depot: Depot) -> None:
        self._database = depot.database

    def __getattr__(self, verb: str) -> Any:
        return getattr(ReservationsService(self._database), verb)


def apart(depot: Depot) -> Depot:
    """Let each call for a reservation be that of another process: they meet in the database."""
    depot.reservations = cast(ReservationsService, _Apart(depot))
    return depot
