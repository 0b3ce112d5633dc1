"""What became of every invoice and of every row."""

from collections import Counter
from dataclasses import dataclass, field

from lockstock.replay.rules import Wanted

SHIPPED = "ordered, paid and shipped"
SHIPPED_IN_PART = "ordered in part, paid and shipped; the rest refused"
UNPAID = "ordered and left unpaid"
UNPAID_IN_PART = "ordered in part and left unpaid; the rest refused"
RETURNED = "returned"
RETURNED_IN_PART = "returned in part"
CANCELLED = "unpaid order cancelled"
OUT_OF_STOCK = "refused: out of stock"
NOTHING_TO_SELL = "refused: no line can be sold"
NOTHING_TO_RETURN = "refused: no line is a return of goods"
NOT_BOUGHT = "refused: not bought from us by this customer, or returned before"
NEVER_PAID = "refused: the order was never paid"
BY_SERVER = "refused by the server: "
BROKEN = "failed: "

# A server that fails, that nobody reaches, or that does not let a replay do what it must (404: its
# sandbox is off). Anything else is an answer.
BROKEN_STATUSES = frozenset({0, 401, 403, 404, 429, *range(500, 600)})


@dataclass(frozen=True)
class Result:
    """How one invoice ended. `rows`: what became of its rows, all of them."""

    outcome: str
    rows: "Counter[str]"


def refusal(status: int, code: str) -> str:
    """Name the outcome of an invoice that the server refused."""
    return (BROKEN if status in BROKEN_STATUSES else BY_SERVER) + code


def result_of(wanted: Wanted, outcome: str, rows: "Counter[str] | None" = None) -> Result:
    """Account for an invoice: `rows` says it row by row, else all that was wanted has the outcome.

    The rows that were refused before are always among them.
    """
    counted = Counter({outcome: wanted.rows.total()}) if rows is None else rows
    return Result(outcome, +(counted + refused_rows(wanted.refused)))


def refused_rows(reasons: "Counter[str]") -> "Counter[str]":
    """Name the outcomes of rows that were refused before the server saw them."""
    return Counter({f"refused: {reason}": count for reason, count in reasons.items()})


def outcome_of_sale(rows: "Counter[str]") -> str:
    """Name the outcome of a sale by those of its rows."""
    [first, *others] = rows
    if not others:
        return first
    return SHIPPED_IN_PART if SHIPPED in rows else UNPAID_IN_PART if UNPAID in rows else first


def outcome_of_line(wanted: int, left: int, missing: str) -> str:
    """Name the outcome of the rows of a return that name one SKU; `missing`: why some is left."""
    if not left:
        return RETURNED
    return RETURNED_IN_PART if left < wanted else missing


def outcome_of_return(rows: "Counter[str]", missing: str) -> str:
    """Name the outcome of a return by those of its rows."""
    if rows.keys() == {RETURNED}:
        return RETURNED
    return RETURNED_IN_PART if {RETURNED, RETURNED_IN_PART} & rows.keys() else missing


@dataclass
class ReplaySummary:
    """What became of a whole file. Every invoice and every row is in it once."""

    invoices: int
    rows: int
    outcomes: "Counter[str]" = field(default_factory=Counter)
    row_outcomes: "Counter[str]" = field(default_factory=Counter)
    # How the orders that were left unpaid stand at the end: status, how many.
    unpaid_orders: "Counter[str]" = field(default_factory=Counter)
    # Unpaid orders past their deadline that do not read so.
    wrong_unpaid: int = 0
    # Warehouses switched, goods transferred: what was done on the way, how often.
    floor: "Counter[str]" = field(default_factory=Counter)
    orders: int = 0
    customers: int = 0
    products: int = 0
    seconds: float = 0.0

    def add(self, result: Result) -> None:
        """Account for one invoice."""
        self.outcomes[result.outcome] += 1
        self.row_outcomes += result.rows

    @property
    def orders_per_second(self) -> float:
        """Orders placed per second of the replay itself, without setting up the shop."""
        return self.orders / self.seconds if self.seconds else 0.0

    @property
    def problems(self) -> list[str]:
        """What must not be: something unaccounted for, a server that failed, a wrong status."""
        found = []
        if self.outcomes.total() != self.invoices:
            found.append(f"{self.invoices} invoices, {self.outcomes.total()} accounted for")
        if self.row_outcomes.total() != self.rows:
            found.append(f"{self.rows} rows, {self.row_outcomes.total()} accounted for")
        if self.wrong_unpaid:
            found.append(f"{self.wrong_unpaid} unpaid orders are past their deadline, not expired")
        counts = {**self.outcomes, **self.floor}
        found += [f"{n} times {what}" for what, n in counts.items() if what.startswith(BROKEN)]
        return found
