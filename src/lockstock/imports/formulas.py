"""Text that a spreadsheet would take for a formula: guarded on the way out, freed on the way in.

A cell that begins with =, +, -, @, a tab or a line break is run by a spreadsheet that opens a CSV
file. An apostrophe before it makes it text. A text that has apostrophes there already gets one
more, so that what is written and read again is the same text.
"""

import re

_FORMULA = re.compile(r"'*[=+\-@\t\r\n]")
_GUARDED = re.compile(r"'+[=+\-@\t\r\n]")


def guarded(text: str) -> str:
    """Return a text as a cell that no spreadsheet runs."""
    return f"'{text}" if _FORMULA.match(text) else text


def unguarded(cell: str) -> str:
    """Return the text of a cell that `guarded` wrote, or that a person did."""
    return cell[1:] if _GUARDED.match(cell) else cell
