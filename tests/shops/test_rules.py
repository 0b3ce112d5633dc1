"""Decisions about shops, without a database."""

from datetime import UTC, datetime
from typing import get_args
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from lockstock.kernel.access import Role
from lockstock.kernel.ids import new_id
from lockstock.shops.contract import Shop, ShopChange
from lockstock.shops.rules import changed, keeps_an_owner

ROLES = st.sampled_from(get_args(Role))


@given(st.dictionaries(st.uuids(), ROLES, max_size=4), st.uuids(), st.none() | ROLES, st.data())
def test_a_change_of_roles_is_allowed_unless_it_takes_the_last_owner(
    roles: dict[UUID, Role], stranger: UUID, role: Role | None, data: st.DataObject
) -> None:
    user_id = data.draw(st.sampled_from([*roles, stranger]))
    after: dict[UUID, Role | None] = {**roles, user_id: role}
    lost_the_last = "owner" in roles.values() and "owner" not in after.values()
    assert keeps_an_owner(roles, user_id, role) is not lost_the_last


def test_a_change_keeps_what_it_does_not_name() -> None:
    shop = Shop(
        id=new_id(),
        name="Shop",
        currency="EUR",
        reservation_seconds=900,
        allocation="nearest",
        may_split=True,
        hide_exact=False,
        low_stock_threshold=None,
        max_open_reservations=None,
        created_at=datetime(2026, 1, 2, tzinfo=UTC),
    )
    assert changed(shop, ShopChange()) == shop
    after = changed(shop, ShopChange(may_split=False, name="Other"))
    assert after == shop.model_copy(update={"may_split": False, "name": "Other"})


@pytest.mark.parametrize("field", ["name", "reservation_seconds", "allocation", "may_split"])
def test_null_is_no_change(field: str) -> None:
    with pytest.raises(ValidationError, match="must not be null"):
        ShopChange.model_validate({field: None})
    assert ShopChange.model_json_schema()["properties"][field].get("type") != "null"
