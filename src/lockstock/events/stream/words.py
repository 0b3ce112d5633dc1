"""What a feed has last seen of each variant, in the word that customers of a hiding shop are told.

Who sees no numbers must not see how often they change either. So such a reader is told of a variant
only when its word is another than the one that was last seen, never because it was touched.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from uuid import UUID

from lockstock.events.stream.rules import Seen
from lockstock.warehouses.low_stock.contract import AvailabilityGrade


@dataclass(frozen=True)
class Turned:
    """Variants whose word is another now, and published ones of which none was known."""

    other: set[UUID]
    new: set[UUID]


class Words:
    """The words of the variants that are named by readers, and of all others if they are few.

    `is_whole`: whether a variant without a word is one that could not be seen. None: not yet tried.
    """

    def __init__(self) -> None:
        self._words: dict[UUID, AvailabilityGrade] = {}
        self.is_whole: bool | None = None

    def __len__(self) -> int:
        """Of how many variants the word is known."""
        return len(self._words)

    def take(self, states: Iterable[Seen]) -> Turned:
        """Remember what each is now; say what that changes."""
        turned = Turned(set(), set())
        for each in states:
            before = self._words.pop(each.variant_id, None)
            if not each.published:
                continue
            self._words[each.variant_id] = each.availability
            if before is None:
                turned.new.add(each.variant_id)
            elif before != each.availability:
                turned.other.add(each.variant_id)
        return turned

    def forget(self, kept: Collection[UUID] = ()) -> None:
        """Forget all words but these: what is not kept up would be compared with long after."""
        self._words = {key: word for key, word in self._words.items() if key in kept}
        self.is_whole = None
