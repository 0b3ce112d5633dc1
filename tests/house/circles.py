"""No import circle, between services or within one."""

import graphlib
from collections.abc import Collection, Iterator, Mapping

import grimp

from tests.house.source import Fault


def imports_of(package: str) -> dict[str, set[str]]:
    """Return which module of a package imports which."""
    graph = grimp.build_graph(package, cache_dir=None)
    return {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}


def circle(imports: Mapping[str, Collection[str]]) -> Iterator[Fault]:
    """Find a circle, if there is one."""
    try:
        graphlib.TopologicalSorter(imports).prepare()
    except graphlib.CycleError as error:
        found: list[str] = error.args[1]
        yield Fault(found[0], "imports itself: " + " <- ".join(found))
