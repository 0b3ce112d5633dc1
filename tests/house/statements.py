"""Rules on the SQL of the project: where it stands, who runs it, what it may say."""

import ast
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from lockstock.kernel import outbox
from tests.house.shape import Function, functions
from tests.house.source import PACKAGE, Fault, Source

SERVICES = ("users", "shops", "products", "warehouses", "orders", "events")
# Of these every row belongs to one shop.
OF_A_SHOP = frozenset(SERVICES) - {"users"}
RUNNERS = {"execute", "executemany", "fetch", "fetchrow", "fetchval", "cursor", "prepare"}

_VERB = re.compile(
    r"\s*(SELECT|INSERT INTO|UPDATE|DELETE FROM|WITH|MERGE|VALUES"
    r"|CREATE|ALTER|DROP|SET|LOCK|COPY)\b"
)
_NOISE = re.compile(r"--[^\n]*|'(?:[^']|'')*'")
_TABLE = re.compile(rf"\b({'|'.join(SERVICES)})\.[a-z_]+\b(?!\s*=)")
_CALL = re.compile(r"\b([a-z_][a-z0-9_]*)\s*\(")
_CHANGES = re.compile(r"(?<!DO )(?<!FOR )(?<!KEY )\b(?:UPDATE|DELETE FROM)\s+([a-z_.]+)")
_OF_ONE_SHOP = re.compile(r"\bshop_id = \$\d+\b")
_INSERT = re.compile(
    r"INSERT INTO [a-z_.]+\s*\(\s*shop_id\b[^)]*\)\s*(?:VALUES\s*\(|SELECT)\s*(\$\d+|[a-z_.]+)"
)
_PLAIN = re.compile(r"(?:excluded\.[a-z_]+|\$\d+)(?:::[a-z0-9_]+(?:\[\])?)?")


@dataclass(frozen=True)
class Statement:
    """One SQL constant."""

    path: str
    name: str
    sql: str

    @property
    def where(self) -> str:
        """How faults and exceptions name it."""
        return f"{self.path}: {self.name}"

    @property
    def bare(self) -> str:
        """The SQL without comments and texts, its spaces made one."""
        return " ".join(_NOISE.sub("''", self.sql).split())

    @property
    def service(self) -> str:
        """The folder of the package that it lies in."""
        return self.path.removeprefix(f"{PACKAGE}/").split("/")[0]

    @property
    def schemas(self) -> set[str]:
        """The schemas whose tables it names."""
        return set(_TABLE.findall(self.bare))


def constants(source: Source) -> dict[str, ast.Assign]:
    """Return the constants of a module that hold SQL, by name."""
    found = {}
    for node in source.tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            name = node.targets[0].id
            if name.isupper() and isinstance(node.value, ast.Constant) and _is_sql(node.value):
                found[name] = node
    return found


def _is_sql(node: ast.Constant) -> bool:
    return isinstance(node.value, str) and bool(_VERB.match(_NOISE.sub("", node.value)))


def statements(sources: Iterable[Source]) -> list[Statement]:
    """Return every SQL constant of these modules; one with `{schema}` in it for each of them."""
    return [
        statement
        for source in sources
        for name, node in constants(source).items()
        for statement in _in_schemas(source.path, name, ast.literal_eval(node.value))
    ]


def _in_schemas(path: str, name: str, sql: str) -> list[Statement]:
    if "{schema}" not in sql:
        return [Statement(path, name, sql)]
    return [
        Statement(path, f"{name} of {schema}", sql.replace("{schema}", schema))
        for schema in outbox.SCHEMAS
    ]


def loose_sql(source: Source) -> Iterator[Fault]:
    """Find SQL that is run without being a constant of its module, or is put together."""
    known = constants(source)
    for name, function in functions(source):
        for node in ast.walk(function):
            if _runs_sql(node) and not _runs_constant(node, known):
                yield Fault(f"{source.path}: {name}", "runs something that is no SQL constant")
    for node in ast.walk(source.tree):
        if _is_put_together(node):
            yield Fault(source.path, f"line {getattr(node, 'lineno', 0)} puts SQL together")


def _runs_sql(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in RUNNERS
    )


def _runs_constant(node: ast.AST, known: Collection[str]) -> bool:
    assert isinstance(node, ast.Call)
    first = node.args[0] if node.args else None
    return isinstance(first, ast.Name) and first.id in known


def _is_put_together(node: ast.AST) -> bool:
    match node:
        case ast.JoinedStr(values=[ast.Constant() as first, *_]):
            return _is_sql(first)
        case ast.BinOp(left=ast.Constant() as first):
            return _is_sql(first)
        case ast.Call(func=ast.Attribute(value=ast.Constant() as first)):
            return _is_sql(first)
        case _:
            return False


def misplaced(source: Source) -> Iterator[Fault]:
    """Find constants that do not stand right above the one function that runs them.

    The function has the constant's name, in small letters.
    """
    known = constants(source)
    for name, node in known.items():
        users = [function for function in _top_functions(source) if _uses(function, name)]
        where = f"{source.path}: {name}"
        if len(users) != 1:
            yield Fault(where, f"is used by {len(users)} functions")
        elif users[0].name.lstrip("_").upper() != name:
            yield Fault(where, f"is run by {users[0].name}")
        elif not _is_right_above(source, node, users[0]):
            yield Fault(where, f"does not stand right above {users[0].name}")


def _top_functions(source: Source) -> list[Function]:
    # Methods count as functions, what is nested in a function as part of it.
    bodies = [source.tree.body]
    bodies += [node.body for node in source.tree.body if isinstance(node, ast.ClassDef)]
    return [node for body in bodies for node in body if isinstance(node, Function)]


def _uses(function: Function, name: str) -> bool:
    return any(isinstance(node, ast.Name) and node.id == name for node in ast.walk(function))


def _is_right_above(source: Source, constant: ast.Assign, function: Function) -> bool:
    following = source.tree.body[source.tree.body.index(constant) + 1 :]
    between = [node for node in following if isinstance(node, Function | ast.ClassDef)]
    return between[:1] == [function]


def borrowed(sources: Iterable[Source]) -> Iterator[Fault]:
    """Find modules that run the SQL of another one."""
    known = {name for source in sources for name in constants(source)}
    for source in sources:
        for node in ast.walk(source.tree):
            taken: list[str] = []
            if isinstance(node, ast.ImportFrom):
                taken = [alias.name for alias in node.names]
            elif isinstance(node, ast.Attribute):
                taken = [node.attr]
            for name in known.intersection(taken):
                yield Fault(f"{source.path}: {name}", "is the SQL of another module")


def of_other_schemas(statement: Statement) -> Iterator[Fault]:
    """Find statements that name the schema of another service."""
    for schema in sorted(statement.schemas - {statement.service}):
        yield Fault(statement.where, f"names the schema {schema}")


def of_many_shops(statement: Statement) -> Iterator[Fault]:
    """Find statements on shop data that do not say whose: `shop_id = $1`.

    Each UPDATE and DELETE says so for itself; an INSERT does by its first column and value.
    """
    if not statement.schemas & OF_A_SHOP:
        return
    said = len(_OF_ONE_SHOP.findall(statement.bare))
    for value in _INSERT.findall(statement.bare):
        said += value.startswith("$")
    if said < max(1, len(_changed(statement))):
        yield Fault(statement.where, "does not say shop_id = $1 of all that it touches")


def _changed(statement: Statement) -> list[str]:
    return [str(table) for table in _CHANGES.findall(statement.bare)]


def volatile(statement: Statement, functions: Collection[str]) -> Iterator[Fault]:
    """Find volatile functions where rows are changed: each node would have its own answer."""
    if _changed(statement):
        for name in sorted(set(_CALL.findall(statement.bare)) & set(functions)):
            yield Fault(statement.where, f"calls {name}(), which is volatile")


def unportable(statement: Statement) -> Iterator[Fault]:
    """Find what the same SQL on a cluster could not say."""
    sql = statement.bare
    if re.search(r"\bMERGE\b", sql):
        yield Fault(statement.where, "MERGE")
    for start in (match.end() for match in re.finditer(r"\bVALUES\s*(?=\()", sql)):
        if re.search(r"\bSELECT\b", _rows_from(sql, start)):
            yield Fault(statement.where, "a subquery inside VALUES")
    for match in re.finditer(r"\bDO UPDATE SET (.+)", sql):
        for expression in _set_to(match[1]):
            if not _PLAIN.fullmatch(expression):
                yield Fault(statement.where, f"ON CONFLICT DO UPDATE sets {expression}")


def skips_locked(statement: Statement) -> Iterator[Fault]:
    """Find SKIP LOCKED. It is for sweeps only: a counter that is skipped is a wrong counter."""
    if "SKIP LOCKED" in statement.bare:
        yield Fault(statement.where, "SKIP LOCKED")


def _rows_from(sql: str, start: int) -> str:
    """Return the parenthesised rows that begin at `start`."""
    depth = 0
    for place in range(start, len(sql)):
        depth += {"(": 1, ")": -1}.get(sql[place], 0)
        if depth < 0 or (depth == 0 and sql[place] not in "), "):
            return sql[start:place]
    return sql[start:]


def _set_to(assignments: str) -> list[str]:
    """Return what each column is set to, up to the end of the SET."""
    only = re.split(r" (?:RETURNING|WHERE)\b", assignments)[0]
    ends, depth = [-1], 0
    for place, character in enumerate(only):
        depth += {"(": 1, ")": -1}.get(character, 0)
        if (character == "," and depth == 0) or depth < 0:
            ends.append(place)
        if depth < 0:
            break
    else:
        ends.append(len(only))
    parts = [only[start + 1 : end] for start, end in pairwise(ends)]
    return [part.partition("=")[2].strip() for part in parts]
