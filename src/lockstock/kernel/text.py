"""Text for sorting and finding: the same in every database, whatever its locale and version."""

import re
import unicodedata

# Keys are indexed, and an index takes no more than 2,704 bytes.
KEY_CHARACTERS = 100
WORD_CHARACTERS = 60

# Sorts after every key, in the order of code points.
LAST_KEY = "\U0010ffff" * (KEY_CHARACTERS + 1)

_WORD = re.compile(r"[^\W_]+")


def folded(text: str) -> str:
    """Return the text without case, accents and typographic variants: "Café" is "cafe"."""
    if text.isascii():
        return text.lower()
    apart = unicodedata.normalize("NFKD", text.casefold())
    bare = "".join(character for character in apart if not "\u0300" <= character <= "\u036f")
    return unicodedata.normalize("NFKC", bare).casefold()


def sort_key(text: str) -> str:
    """Return what to order by. Compare by code point (`COLLATE "C"`)."""
    return folded(text)[:KEY_CHARACTERS]


def words(text: str) -> list[str]:
    """Return the words of a text, folded, in order: its runs of letters and digits."""
    return [word[:WORD_CHARACTERS] for word in _WORD.findall(folded(text))]
