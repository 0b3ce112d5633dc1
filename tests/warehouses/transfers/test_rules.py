"""What may happen to a transfer: properties of the pure decisions, over random lives."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockstock.kernel.errors import InvalidInput, Refusal
from lockstock.kernel.nouns import MOST_UNITS
from lockstock.warehouses.contract import Line
from lockstock.warehouses.stock.contract import TooManyUnits
from lockstock.warehouses.stock.rules import Level, Place
from lockstock.warehouses.transfers import rules
from lockstock.warehouses.transfers.contract import (
    CancelTransfer,
    ClosedLine,
    CloseTransfer,
    DispatchTransfer,
    MoreThanOutstanding,
    ReceivedLine,
    ReceiveTransfer,
    StepNotAllowed,
    StillOutstanding,
    Transfer,
    TransferChange,
    TransferStatus,
)
from lockstock.warehouses.transfers.rules import Outcome, Rule

SOURCE, TARGET = UUID(int=1), UUID(int=2)
VARIANTS = [UUID(int=10), UUID(int=11)]
NOW = datetime(2026, 11, 23, tzinfo=UTC)
# From each status: the step, and where it may lead.
ROADS: set[tuple[TransferStatus, str, TransferStatus]] = {
    ("draft", "change", "draft"),
    ("draft", "ready", "ready"),
    ("draft", "cancel", "cancelled"),
    ("ready", "change", "ready"),
    ("ready", "dispatch", "in_transit"),
    ("ready", "cancel", "cancelled"),
    ("in_transit", "change", "in_transit"),
    ("in_transit", "receive", "partly_received"),
    ("in_transit", "receive", "received"),
    ("in_transit", "close", "closed_short"),
    ("partly_received", "change", "partly_received"),
    ("partly_received", "receive", "partly_received"),
    ("partly_received", "receive", "received"),
    ("partly_received", "close", "closed_short"),
}


def drafted(*quantities: int) -> Transfer:
    """A draft of so many units of each variant."""
    lines = [
        Line(variant_id=variant_id, quantity=quantity)
        for variant_id, quantity in zip(VARIANTS, quantities, strict=False)
    ]
    return Transfer(
        id=UUID(int=3),
        shop_id=UUID(int=4),
        from_warehouse_id=SOURCE,
        to_warehouse_id=TARGET,
        status="draft",
        lines=rules.drafted(lines),
        reason=None,
        expected_at=None,
        overdue=False,
        created_at=NOW,
        history=[],
    )


def stocked(units: int) -> dict[Place, Level]:
    """Two warehouses, with so many units of each variant in the first."""
    return {
        (variant_id, end): Level(variant_id, end, units if end == SOURCE else 0, 0, 0, 0)
        for variant_id in VARIANTS
        for end in (SOURCE, TARGET)
    }


def after(transfer: Transfer, outcome: Outcome) -> Transfer:
    """The transfer once the outcome is written."""
    return transfer.model_copy(update={"status": outcome.to, "lines": outcome.lines})


def shifted(levels: dict[Place, Level], outcome: Outcome) -> dict[Place, Level]:
    """The stock once the outcome is written; each row changes at most once."""
    found = dict(levels)
    places = [(shift.variant_id, shift.warehouse_id) for shift in outcome.shifts]
    assert len(set(places)) == len(places)
    for place, shift in zip(places, outcome.shifts, strict=True):
        level = found[place]
        found[place] = replace(
            level,
            on_hand=level.on_hand + shift.on_hand,
            committed=level.committed + shift.committed,
            incoming=level.incoming + shift.incoming,
        )
    return found


counts = st.integers(0, 6)
steps: st.SearchStrategy[tuple[str, Rule, Any]] = st.one_of(
    st.just(("ready", rules.ready, None)),
    st.just(("dispatch", rules.dispatch, DispatchTransfer())),
    st.just(("cancel", rules.cancel, CancelTransfer())),
    st.builds(
        lambda lines: ("receive", rules.receive, ReceiveTransfer(lines=lines)),
        st.lists(
            st.builds(
                ReceivedLine, variant_id=st.sampled_from(VARIANTS), received=counts, damaged=counts
            ),
            min_size=1,
            max_size=3,
        ),
    ),
    st.builds(
        lambda lines: ("close", rules.close, CloseTransfer(lines=lines, reason="gone")),
        st.lists(
            st.builds(
                ClosedLine, variant_id=st.sampled_from(VARIANTS), returned=counts, lost=counts
            ),
            min_size=1,
            max_size=3,
        ),
    ),
    st.builds(
        lambda quantity: (
            "change",
            rules.change,
            TransferChange(lines=[Line(variant_id=VARIANTS[0], quantity=quantity)]),
        ),
        st.integers(1, 8),
    ),
)


def check_sound(transfer: Transfer, levels: dict[Place, Level], units: int) -> None:
    """Each line adds up, nothing is promised twice, no unit has appeared or vanished."""
    for line in transfer.lines:
        accounted = line.received + line.damaged + line.returned + line.lost + line.outstanding
        assert line.dispatched == accounted
        assert min(line.received, line.damaged, line.returned, line.lost, line.outstanding) >= 0
    lines = {line.variant_id: line for line in transfer.lines}
    nothing = rules.drafted([Line(variant_id=VARIANTS[0], quantity=1)])[0]
    for variant_id in VARIANTS:
        source, target = levels[variant_id, SOURCE], levels[variant_id, TARGET]
        line = lines.get(variant_id, nothing)
        gone = line.outstanding + line.damaged + line.lost
        assert source.on_hand + target.on_hand + gone == units
        assert target.incoming == line.outstanding
        is_locked = transfer.status == "ready" and variant_id in lines
        assert source.committed == (line.quantity if is_locked else 0)
        assert source.committed <= source.on_hand
        assert source.incoming == target.committed == 0


@given(st.tuples(st.integers(1, 8), st.integers(1, 8)), st.lists(steps, max_size=12))
def test_units_are_conserved_over_every_life(
    quantities: tuple[int, int], life: list[tuple[str, Rule, Any]]
) -> None:
    transfer, levels = drafted(*quantities), stocked(7)
    for name, rule, ask in life:
        try:
            outcome = rule(ask, transfer, levels)
        except Refusal:
            continue
        if outcome is None:
            continue
        assert (transfer.status, name, outcome.to) in ROADS
        transfer, levels = after(transfer, outcome), shifted(levels, outcome)
        check_sound(transfer, levels, 7)


@given(st.lists(st.tuples(counts, counts), min_size=1, max_size=8))
def test_receipts_end_in_received_exactly_when_all_is_accounted_for(
    receipts: list[tuple[int, int]],
) -> None:
    transfer, levels = drafted(9), stocked(9)
    first: list[Rule] = [rules.ready, rules.dispatch]
    for rule in first:
        outcome = rule(DispatchTransfer(), transfer, levels)
        assert outcome is not None
        transfer, levels = after(transfer, outcome), shifted(levels, outcome)
    taken = 0
    for received, damaged in receipts:
        line = ReceivedLine(variant_id=VARIANTS[0], received=received, damaged=damaged)
        refusal: type[Refusal] | None = None
        if received + damaged == 0:
            refusal = InvalidInput
        elif taken + received + damaged > 9:
            refusal = MoreThanOutstanding
        if refusal:
            with pytest.raises(refusal):
                rules.receive(ReceiveTransfer(lines=[line]), transfer, levels)
            continue
        outcome = rules.receive(ReceiveTransfer(lines=[line]), transfer, levels)
        transfer, levels = after(transfer, outcome), shifted(levels, outcome)
        taken += received + damaged
        assert transfer.status == ("received" if taken == 9 else "partly_received")


def test_lines_of_one_variant_are_summed_before_they_are_judged() -> None:
    transfer = drafted(5).model_copy(update={"status": "in_transit"})
    [line] = transfer.lines
    transfer = transfer.model_copy(
        update={"lines": [line.model_copy(update={"dispatched": 5, "outstanding": 5})]}
    )
    half = ReceivedLine(variant_id=VARIANTS[0], received=3)
    with pytest.raises(MoreThanOutstanding) as caught:
        rules.receive(ReceiveTransfer(lines=[half, half]), transfer, stocked(0))
    assert caught.value.fields["lines"] == [
        {"variant_id": str(VARIANTS[0]), "requested": 6, "outstanding": 5}
    ]


def test_closing_names_what_is_left_out() -> None:
    transfer = drafted(5, 2).model_copy(update={"status": "in_transit"})
    transfer = transfer.model_copy(
        update={
            "lines": [
                line.model_copy(update={"dispatched": line.quantity, "outstanding": line.quantity})
                for line in transfer.lines
            ]
        }
    )
    part = ClosedLine(variant_id=VARIANTS[0], lost=4)
    with pytest.raises(StillOutstanding) as caught:
        rules.close(CloseTransfer(lines=[part], reason="fell off"), transfer, stocked(0))
    assert [line["outstanding"] for line in caught.value.fields["lines"]] == [5, 2]
    assert [line["requested"] for line in caught.value.fields["lines"]] == [4, 0]


def test_a_line_fits_a_stock_row() -> None:
    line = Line(variant_id=VARIANTS[0], quantity=MOST_UNITS)
    with pytest.raises(TooManyUnits):
        rules.drafted([line, line])
    full = stocked(MOST_UNITS)
    transfer = drafted(1).model_copy(update={"status": "in_transit"})
    [one] = transfer.lines
    gone = one.model_copy(update={"dispatched": 1, "outstanding": 1})
    transfer = transfer.model_copy(update={"lines": [gone]})
    with pytest.raises(TooManyUnits):
        rules.close(
            CloseTransfer(lines=[ClosedLine(variant_id=VARIANTS[0], returned=1)], reason="back"),
            transfer,
            full,
        )


def test_who_would_cancel_what_has_left_is_told_what_there_is_instead() -> None:
    transfer = drafted(5).model_copy(update={"status": "in_transit"})
    with pytest.raises(StepNotAllowed) as caught:
        rules.cancel(CancelTransfer(), transfer, {})
    assert "closed" in caught.value.detail
    assert caught.value.fields == {
        "transfer_status": "in_transit",
        "allowed_from": ["draft", "ready"],
    }
