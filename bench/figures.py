"""Figures, goals, and whether they are reached."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field, replace


@dataclass(frozen=True)
class Figure:
    """One thing that was measured several times."""

    name: str
    unit: str
    values: list[float]

    @property
    def median(self) -> float:
        """The middle one."""
        return statistics.median(self.values)

    @property
    def text(self) -> str:
        """The median, and how far the others are from it."""
        spread = f" ({written(min(self.values))} to {written(max(self.values))})"
        return written(self.median) + (spread if len(self.values) > 1 else "")


def written(value: float) -> str:
    """Write a number with three digits that mean something."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def ratios(above: Sequence[float], below: Sequence[float]) -> list[float]:
    """Divide what was measured in the same round."""
    return [one / other for one, other in zip(above, below, strict=True)]


@dataclass(frozen=True)
class Goal:
    """What is to be reached: at least, or at most, so much."""

    code: str
    sentence: str
    target: float
    unit: str
    at_most: bool = False

    def is_met(self, figure: Figure) -> bool:
        """Whether the median reaches it."""
        if self.at_most:
            return figure.median <= self.target
        return figure.median >= self.target

    @property
    def text(self) -> str:
        """The target in words."""
        return f"{'at most' if self.at_most else 'at least'} {written(self.target)} {self.unit}"


GOALS = {
    goal.code: goal
    for goal in (
        Goal("P1", "flash sale, checkouts/s over the reference", 50, "times"),
        Goal("P2", "flash sale over pgbench's hot row, at its best client count", 2, "times"),
        Goal("P3", "all variants alike, 1 to 3 lines, over the reference", 25, "times"),
        Goal("P4", "flash sale over alike", 1, "times"),
        Goal(
            "P5",
            "p99 of a checkout at 64 connections over the p50 of a lone one, the worse of flash "
            "sale and alike",
            10,
            "times",
            at_most=True,
        ),
        Goal("P6", "alike, in the largest shop over an empty one", 0.9, "times"),
        Goal("P7", "two workers over one, the worse of flash sale and alike", 1.3, "times"),
        Goal("P8", "pages of the list of products over hand-written SQL by pgbench", 0.5, "times"),
        Goal("P9", "after a sale until the stream of another process shows it", 1, "s", True),
        Goal("P10", "buyers at the deadline of a hold who got it, no sweeper running", 1, "of 1"),
        Goal("P11", "memory of the server under 1,000 connections", 200, "MB", True),
        Goal("P12", "payment events applied per second over checkouts, alike", 0.5, "times"),
    )
}


@dataclass(frozen=True)
class Curve:
    """A line of a plot: a name and its points."""

    name: str
    points: list[tuple[float, float]]


@dataclass(frozen=True)
class Plot:
    """A picture of figures over something that grows by factors."""

    name: str
    title: str
    across: str
    up: str
    curves: list[Curve]


@dataclass
class Section:
    """What one measurement gives to the report. Nothing of it is kept where it is unsound."""

    title: str
    goals: dict[str, Figure] = field(default_factory=dict)
    figures: list[Figure] = field(default_factory=list)
    plots: list[Plot] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def reach(self, code: str, values: list[float]) -> None:
        """Note what was reached of a goal."""
        self.goals[code] = Figure(code, GOALS[code].unit, values)

    def add(self, name: str, unit: str, values: list[float]) -> None:
        """Note a figure."""
        self.figures.append(Figure(name, unit, values))


@dataclass(frozen=True)
class Effort:
    """How long and how often is measured, and how large the shops are."""

    rounds: int
    seconds: int
    listed: int
    # Variants and past orders of the shops that grow.
    sizes: tuple[tuple[int, int], ...] = ()
    holds: int = 1_000_000
    variants: int = 1_000

    def but(self, rounds: int | None, seconds: int | None) -> "Effort":
        """The same with other values, where some are given."""
        return replace(self, rounds=rounds or self.rounds, seconds=seconds or self.seconds)


QUICK = Effort(rounds=3, seconds=2, listed=20_000, holds=20_000)
FULL = Effort(
    rounds=5,
    seconds=5,
    listed=100_000,
    sizes=(
        (10_000, 0),
        (100_000, 0),
        (1_000_000, 0),
        (1_000_000, 100_000),
        (1_000_000, 1_000_000),
        (1_000_000, 10_000_000),
    ),
)
