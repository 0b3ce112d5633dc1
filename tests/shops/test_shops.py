"""Shops and who works there, on the real database."""

import asyncio
from uuid import UUID

import pytest

from lockstock.app import Services
from lockstock.kernel.errors import IdempotencyKeyReused
from lockstock.kernel.ids import new_id
from lockstock.shops.contract import (
    LastOwner,
    NewRole,
    NewShop,
    NoSuchShop,
    NoSuchUser,
    ShopChange,
    ShopList,
)
from lockstock.warehouses.contract import NewWarehouse
from tests.conftest import Register

SHOP = NewShop(name="Corner shop", currency="EUR")


async def owners(services: Services, shop_id: UUID) -> list[UUID]:
    members = await services.shops.members(shop_id)
    return [member.user_id for member in members if member.role == "owner"]


async def test_a_new_shop_has_an_owner_a_warehouse_and_the_default_time(
    services: Services,
) -> None:
    owner_id = new_id()
    shop = await services.shops.create(owner_id, SHOP)
    assert await services.shops.role_of(shop.id, owner_id) == "owner"
    assert await services.shops.role_of(shop.id, new_id()) is None
    assert await services.shops.role_of(new_id(), owner_id) is None
    assert (shop.reservation_seconds, shop.allocation) == (900, "fewest_warehouses")
    [warehouse] = shop.warehouses
    assert (warehouse.shop_id, warehouse.active) == (shop.id, True)
    kept = await services.shops.get(shop.id)
    assert kept.model_dump() == shop.model_dump(exclude={"warehouses"})


async def test_the_first_warehouse_may_have_a_name(services: Services) -> None:
    ask = SHOP.model_copy(update={"warehouse": NewWarehouse(name="Cellar", priority=3)})
    [warehouse] = (await services.shops.create(new_id(), ask)).warehouses
    assert (warehouse.name, warehouse.priority) == ("Cellar", 3)


@pytest.mark.races
async def test_twenty_retries_at_once_make_one_shop(services: Services) -> None:
    owner_id, shop_id = new_id(), new_id()
    answers = await asyncio.gather(
        *(services.shops.create(owner_id, SHOP, shop_id) for _ in range(20))
    )
    assert len({answer.model_dump_json() for answer in answers}) == 1
    assert len(answers[0].warehouses) == 1
    assert await owners(services, shop_id) == [owner_id]


async def test_a_key_is_good_for_one_request(services: Services) -> None:
    owner_id, shop_id = new_id(), new_id()
    await services.shops.create(owner_id, SHOP, shop_id)
    other = NewShop(name="Other shop", currency="EUR")
    with pytest.raises(IdempotencyKeyReused):
        await services.shops.create(owner_id, other, shop_id)
    assert (await services.shops.get(shop_id)).name == SHOP.name


async def test_a_warehouse_that_cannot_be_opened_leaves_no_shop(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_args: object) -> None:
        raise OSError

    shop_id = new_id()
    monkeypatch.setattr(services.warehouses, "open", fail)
    with pytest.raises(OSError):
        await services.shops.create(new_id(), SHOP, shop_id)
    with pytest.raises(NoSuchShop):
        await services.shops.get(shop_id)
    monkeypatch.undo()
    assert (await services.shops.create(new_id(), SHOP, shop_id)).warehouses


async def test_settings_change_one_by_one(services: Services) -> None:
    shop = await services.shops.create(new_id(), SHOP)
    await asyncio.gather(
        services.shops.change(shop.id, ShopChange(name="Zürich")),
        services.shops.change(shop.id, ShopChange(reservation_seconds=1)),
        services.shops.change(shop.id, ShopChange(allocation="nearest", may_split=False)),
    )
    after = await services.shops.get(shop.id)
    assert (after.name, after.reservation_seconds) == ("Zürich", 1)
    assert (after.allocation, after.may_split) == ("nearest", False)
    with pytest.raises(NoSuchShop):
        await services.shops.change(new_id(), ShopChange(name="Nowhere"))


async def test_shops_are_listed_by_name_to_who_works_there(services: Services) -> None:
    user_id, other_id = new_id(), new_id()
    for name in ("beta", "Alpha", "Éclair", "zoo"):
        await services.shops.create(user_id, NewShop(name=name, currency="EUR"))
    theirs = await services.shops.create(other_id, NewShop(name="cafe", currency="EUR"))
    mine = await services.shops.list_shops(ShopList(user_id=user_id))
    assert [shop.name for shop in mine] == ["Alpha", "beta", "Éclair", "zoo"]
    everybodys = await services.shops.list_shops(ShopList(user_id=None))
    assert [shop.name for shop in everybodys] == ["Alpha", "beta", "cafe", "Éclair", "zoo"]
    assert await services.shops.list_shops(ShopList(user_id=new_id())) == []
    some = await services.shops.get_many([mine[0].id, theirs.id, new_id()])
    assert {shop.id for shop in some} == {mine[0].id, theirs.id}


@pytest.mark.races
async def test_of_two_owners_who_remove_each_other_one_stays(
    services: Services, register: Register
) -> None:
    for _ in range(10):
        first, second = new_id(), (await register()).id
        shop = await services.shops.create(first, SHOP)
        await services.shops.put_member(shop.id, second, NewRole(role="owner"))
        answers = await asyncio.gather(
            services.shops.remove_member(shop.id, first),
            services.shops.remove_member(shop.id, second),
            return_exceptions=True,
        )
        assert sorted(type(answer).__name__ for answer in answers) == ["LastOwner", "NoneType"]
        assert len(await owners(services, shop.id)) == 1


async def test_the_last_owner_stays_an_owner(services: Services, register: Register) -> None:
    owner = (await register()).id
    shop = await services.shops.create(owner, SHOP)
    with pytest.raises(LastOwner):
        await services.shops.put_member(shop.id, owner, NewRole(role="manager"))
    with pytest.raises(LastOwner):
        await services.shops.remove_member(shop.id, owner)
    again = await services.shops.put_member(shop.id, owner, NewRole(role="owner"))
    assert [again] == await services.shops.members(shop.id)


async def test_a_role_is_given_changed_and_taken_away(
    services: Services, register: Register
) -> None:
    shop = await services.shops.create(new_id(), SHOP)
    user_id = (await register()).id
    clerk = await services.shops.put_member(shop.id, user_id, NewRole(role="clerk"))
    viewer = await services.shops.put_member(shop.id, user_id, NewRole(role="viewer"))
    assert (clerk.role, viewer.role) == ("clerk", "viewer")
    assert clerk.since == viewer.since
    for _ in range(2):
        await services.shops.remove_member(shop.id, user_id)
    assert await services.shops.role_of(shop.id, user_id) is None


async def test_who_does_not_exist_works_nowhere(services: Services, register: Register) -> None:
    shop = await services.shops.create(new_id(), SHOP)
    with pytest.raises(NoSuchUser):
        await services.shops.put_member(shop.id, new_id(), NewRole(role="clerk"))
    with pytest.raises(NoSuchShop):
        await services.shops.put_member(new_id(), (await register()).id, NewRole(role="clerk"))
    with pytest.raises(NoSuchShop):
        await services.shops.remove_member(new_id(), new_id())
