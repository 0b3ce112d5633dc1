"""The shape of the code: a reader finds a thing by its noun, then by its role, on one screen."""

from collections.abc import Iterable

import pytest

from tests.house import circles, shape
from tests.house.allowed import SHAPE
from tests.house.source import Check, Source, sources, unexpected

EVERYWHERE: list[Check] = [
    shape.long_functions,
    shape.long_files,
    shape.wide_functions,
    shape.inner_imports,
    shape.banned_names,
]
IN_THE_PACKAGE: list[Check] = [shape.unexplained]


def _name(value: object) -> str:
    return str(getattr(value, "__name__", ""))


def _faults(check: Check, files: Iterable[Source]) -> list[str]:
    found = [fault for source in files for fault in check(source)]
    return unexpected(found, SHAPE.get(_name(check), {}))


@pytest.mark.parametrize("check", EVERYWHERE, ids=_name)
def test_code_and_tests_keep_their_shape(check: Check) -> None:
    """Nothing is too long, too wide, badly named or imported in hiding."""
    assert _faults(check, (*sources("src"), *sources("tests"), *sources("bench"))) == []


@pytest.mark.parametrize("check", IN_THE_PACKAGE, ids=_name)
def test_what_is_public_is_explained(check: Check) -> None:
    """Each module, public class and public function has a docstring."""
    assert _faults(check, sources("src")) == []


def test_no_module_imports_itself_by_a_detour() -> None:
    """There is no import circle, between services or within one."""
    assert [str(fault) for fault in circles.circle(circles.imports_of("lockstock"))] == []


BAD: list[tuple[Check, str, str]] = [
    (shape.long_functions, "a.py", "def f() -> None:\n" + "    pass\n" * 50),
    (shape.long_functions, "a.py", "class A:\n    async def f(self):\n" + "        pass\n" * 50),
    (shape.long_files, "a.py", "x = 1\n" * 401),
    (shape.long_files, "orders/service.py", "x = 1\n" * 301),
    (shape.wide_functions, "a.py", "def f(a, b, c, d, *, e, f, g): ..."),
    (shape.wide_functions, "a.py", "class A:\n    def f(self, a, b, c, d, e, f, g): ..."),
    (shape.inner_imports, "a.py", "def f():\n    import json"),
    (shape.inner_imports, "a.py", "def f():\n    if f:\n        from json import loads"),
    (shape.banned_names, "orders/utils.py", ""),
    (shape.banned_names, "orders/helpers/a.py", ""),
    (shape.banned_names, "orders/payment_handler.py", ""),
    (shape.unexplained, "a.py", "x = 1"),
    (shape.unexplained, "a.py", '"""A."""\ndef f(): return 1'),
    (shape.unexplained, "a.py", '"""A."""\nclass A:\n    """A."""\n    def f(self): return 1'),
]
GOOD: list[tuple[Check, str, str]] = [
    (shape.long_functions, "a.py", "def f() -> None:\n" + "    pass\n" * 49),
    (shape.long_files, "a.py", "x = 1\n" * 400),
    (shape.long_files, "orders/service.py", "x = 1\n" * 300),
    (shape.wide_functions, "a.py", "class A:\n    def f(self, a, b, c, d, *, e, f): ..."),
    (shape.inner_imports, "a.py", "import json\nclass A:\n    import json"),
    (shape.banned_names, "orders/commonwealth.py", ""),
    (shape.unexplained, "a.py", '"""A."""\ndef _f(): return 1\ndef g():\n    """G."""'),
]


@pytest.mark.parametrize(("check", "path", "text"), BAD)
def test_each_check_sees_a_fault(check: Check, path: str, text: str) -> None:
    """A rule that cannot be broken in a test holds nothing."""
    assert list(check(Source(path, text)))


@pytest.mark.parametrize(("check", "path", "text"), GOOD)
def test_no_check_sees_a_fault_that_is_none(check: Check, path: str, text: str) -> None:
    """What just keeps the rule is left alone."""
    assert not list(check(Source(path, text)))


def test_a_circle_of_imports_is_seen() -> None:
    """The check of circles finds one of three modules, and none where there is none."""
    assert list(circles.circle({"a": {"b"}, "b": {"c"}, "c": {"a"}}))
    assert not list(circles.circle({"a": {"b", "c"}, "b": {"c"}, "c": set()}))


def test_an_exception_that_nobody_needs_is_a_fault() -> None:
    """The list of exceptions only gets shorter."""
    assert unexpected([], {"a.py: f": "was too long once"})
