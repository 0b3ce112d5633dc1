"""Draws curves as SVG: both axes grow by factors, readable in light and dark."""

import math
from collections.abc import Iterator, Sequence
from html import escape

from bench.figures import Plot, written

WIDTH, HEIGHT = 640, 360
LEFT, RIGHT, TOP, BOTTOM = 70, 20, 40, 90
# Told apart also without colours, by their dashes.
STROKES = (("#0b6e99", ""), ("#c2410c", "7 4"), ("#4d7c0f", "2 3"), ("#7c3aed", "10 3 2 3"))

HEAD = f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img"
 font-family="sans-serif" font-size="12">
<style>text {{ fill: #1f2937 }} .grid {{ stroke: #9ca3af; stroke-width: 0.5 }}
@media (prefers-color-scheme: dark) {{ text {{ fill: #e5e7eb }} }}</style>"""


class Axis:
    """Values that grow by factors, along a line of pixels."""

    def __init__(self, values: Sequence[float], start: float, end: float) -> None:
        low, high = min(values), max(values)
        self._low = math.log10(low / 1.1)
        self._high = math.log10(high * 1.1)
        self._start, self._end = start, end

    def place(self, value: float) -> float:
        """Return the pixel of a value."""
        share = (math.log10(value) - self._low) / (self._high - self._low)
        return self._start + share * (self._end - self._start)

    def ticks(self) -> Iterator[float]:
        """Yield round values on it: 1, 2, 5, 10 and so on."""
        for power in range(math.floor(self._low), math.ceil(self._high) + 1):
            for step in (1, 2, 5):
                value = step * 10.0**power
                if self._low <= math.log10(value) <= self._high:
                    yield value


def drawn(plot: Plot) -> str:
    """Return a plot as SVG."""
    points = [point for curve in plot.curves for point in curve.points]
    across = Axis([x for x, _ in points], LEFT, WIDTH - RIGHT)
    up = Axis([y for _, y in points], HEIGHT - BOTTOM, TOP)
    return "\n".join(
        [
            HEAD,
            f"<title>{escape(plot.title)}</title>",
            _text(LEFT, 20, plot.title, "start"),
            *_grid(across, up, {x for x, _ in points}),
            _text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - BOTTOM + 38, plot.across),
            *_curves(plot, across, up),
            "</svg>\n",
        ]
    )


def _text(x: float, y: float, words: str, anchor: str = "middle") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'


def _grid(across: Axis, up: Axis, columns: set[float]) -> Iterator[str]:
    for value in sorted(columns):
        x = across.place(value)
        yield f'<path class="grid" d="M{x:.1f} {TOP}V{HEIGHT - BOTTOM}"/>'
        yield _text(x, HEIGHT - BOTTOM + 18, written(value))
    for value in up.ticks():
        y = up.place(value)
        yield f'<path class="grid" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>'
        yield _text(LEFT - 6, y + 4, written(value), "end")


def _curves(plot: Plot, across: Axis, up: Axis) -> Iterator[str]:
    for number, curve in enumerate(plot.curves):
        colour, dashes = STROKES[number % len(STROKES)]
        places = [(across.place(x), up.place(y)) for x, y in curve.points]
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
        style = f'stroke="{colour}" stroke-dasharray="{dashes}"'
        yield f'<path fill="none" stroke-width="2" {style} d="M{path}"/>'
        for x, y in places:
            yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>'
        # The legend, below: two in a row.
        x, y = LEFT + number % 2 * 280, HEIGHT - 28 + number // 2 * 18
        yield f'<path stroke-width="2" {style} d="M{x} {y - 4}h24"/>'
        yield _text(x + 30, y, curve.name, "start")
