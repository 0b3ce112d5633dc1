"""Routes: nothing on the way of a request runs in a thread."""

import inspect
from collections.abc import Iterator
from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from lockstock.app import ROUTERS
from lockstock.kernel.operations import router as operations_router


def dependants_of(router: APIRouter) -> Iterator[Dependant]:
    """What the routes of a router, and of those below it, depend on."""
    for route in router.routes:
        if isinstance(route, APIRoute):
            yield route.dependant
        else:
            yield from dependants_of(route.original_router)  # type: ignore[attr-defined]


def in_threads(dependant: Dependant) -> set[str]:
    """The names of the callables that FastAPI would run in a thread."""
    found: set[str] = set()
    found.update(*map(in_threads, dependant.dependencies))
    if dependant.call is not None and not inspect.iscoroutinefunction(dependant.call):
        found.add(dependant.call.__name__)
    return found


def test_no_dependency_runs_in_a_thread() -> None:
    """A thread costs more than what it is given here, and what it binds to the log is forgotten."""
    dependants = [d for router in (*ROUTERS, operations_router) for d in dependants_of(router)]
    assert len(dependants) > 50
    assert set().union(*map(in_threads, dependants)) == set()


def test_a_dependency_that_would_is_seen() -> None:
    def slow() -> int:
        return 1

    router = APIRouter()

    @router.get("/")
    async def route(_number: Annotated[int, Depends(slow)]) -> None: ...

    outer = APIRouter()
    outer.include_router(router)
    assert [in_threads(d) for d in dependants_of(outer)] == [{"slow"}]
