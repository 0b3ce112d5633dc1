"""docs/client.md: a stranger gets from nothing to a return with that page alone."""

import ast
import inspect
import re
from collections.abc import AsyncIterator

import pytest

from tests.house.documents import read
from tests.servers import environment, running

ADDRESS = "http://127.0.0.1:8000"
_BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)

pytestmark = pytest.mark.journeys


@pytest.fixture
async def address(database_url: str) -> AsyncIterator[str]:
    """A real server, with its background work, on the test's database."""
    async with running(environment(database_url, sweep_seconds="1")) as (found, _):
        yield found


async def test_the_page_is_a_program_that_runs(
    address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Block by block, in one namespace, as in `python -m asyncio`."""
    blocks = _BLOCK.findall(read("docs/client.md"))
    assert len(blocks) > 10
    names: dict[str, object] = {"__name__": "page"}
    for number, block in enumerate(blocks):
        code = compile(
            block.replace(ADDRESS, address),
            f"docs/client.md, block {number + 1}",
            "exec",
            flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT,
        )
        found = eval(code, names)  # noqa: S307 (our own page)
        if inspect.iscoroutine(found):
            await found
    said = capsys.readouterr().out
    assert "Pay here: http" in said
    assert "Somebody was faster." in said
    assert "Now to be sold:" in said
