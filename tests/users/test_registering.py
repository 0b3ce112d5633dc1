"""POST /v1/users, and who can be found afterwards."""

import asyncio
import json
from uuid import UUID

import httpx2
import pytest

from lockstock.kernel.errors import InvalidInput
from lockstock.kernel.ids import new_id
from lockstock.users.contract import IdentityTaken
from tests.users.accounts import PASSWORD, House, at_once, bearer

EMAIL = "ann@example.com"
PHONE = "+447700900123"


async def test_an_account_has_the_identities_it_was_registered_with(
    caller: httpx2.AsyncClient, home: House
) -> None:
    ask = {"email": "Ann@Example.com", "phone": "07700 900123", "password": PASSWORD, "name": "Ann"}
    made = await caller.post("/v1/users", json=ask)
    assert made.status_code == 201
    user = made.json()
    assert str(UUID(user["id"])) == user["id"]
    assert [(i["kind"], i["value"], i["verified_at"]) for i in user["identities"]] == [
        ("email", EMAIL, None),
        ("phone", PHONE, None),
    ]
    assert (user["name"], user["is_admin"]) == ("Ann", False)
    for identifier in (EMAIL, PHONE, "ANN@EXAMPLE.COM", "0044 7700 900 123"):
        tokens = await home.login(identifier)
        me = await caller.get("/v1/me", headers=bearer(tokens))
        assert me.json() == user


async def test_no_answer_and_no_row_holds_the_password(
    caller: httpx2.AsyncClient, home: House
) -> None:
    made = await caller.post("/v1/users", json={"email": EMAIL, "password": PASSWORD})
    assert PASSWORD not in made.text
    assert "hash" not in made.text
    rows = "SELECT count(*) FROM users.users WHERE password_hash LIKE '$argon2id$%'"
    assert await home.count(rows) == 1
    refused = await caller.post("/v1/users", json={"email": "x", "password": PASSWORD})
    assert refused.status_code == 422
    assert PASSWORD not in refused.text


@pytest.mark.parametrize(
    ("field", "ask"),
    [
        ("email", {"email": "ANN@example.com"}),
        ("phone", {"phone": "(07700) 900-123"}),
        ("phone", {"email": "free@example.com", "phone": PHONE}),
        ("email", {"email": EMAIL, "phone": "+447700900999"}),
    ],
)
async def test_a_taken_identity_is_named_and_nothing_is_kept(
    caller: httpx2.AsyncClient, home: House, field: str, ask: dict[str, str]
) -> None:
    await home.register(email=EMAIL, phone=PHONE)
    refused = await caller.post("/v1/users", json=ask | {"password": "another good one"})
    assert refused.status_code == 409
    assert refused.json()["code"] == "identity_taken"
    assert refused.json()["field"] == field
    assert await home.count("SELECT count(*) FROM users.users") == 1
    assert await home.users.find("free@example.com") is None
    await home.login(EMAIL)


@pytest.mark.races
async def test_of_many_registrations_of_one_identity_at_once_one_succeeds(home: House) -> None:
    caller = home.client()
    forms = ["ann@example.com", "Ann@example.com", "ANN@EXAMPLE.COM", " ann@example.com"]

    async def call(number: int) -> httpx2.Response:
        ask = {"email": forms[number % 4], "password": PASSWORD}
        return await caller.post("/v1/users", json=ask)

    assert sorted(await at_once(20, call)) == [201] + [409] * 19
    assert await home.count("SELECT count(*) FROM users.users") == 1


@pytest.mark.parametrize(
    ("path", "ask"),
    [
        ("email", {}),
        ("email", {"email": "ann"}),
        ("email", {"email": ""}),
        ("email", {"email": 5}),
        ("email", {"email": "a" * 400 + "@example.com"}),
        ("phone", {"phone": "12"}),
        ("phone", {"phone": 447700900123}),
        ("phone", {"email": EMAIL, "phone": ""}),
        ("password", {"email": EMAIL, "password": "short"}),
        ("password", {"email": EMAIL, "password": "x" * 120 + "123456789"}),
        ("password", {"email": EMAIL, "password": "password123"}),
        ("password", {"email": EMAIL, "password": EMAIL.upper()}),
        ("password", {"email": EMAIL, "password": "y" * 5000}),
        ("password", {"email": EMAIL, "password": None}),
        ("name", {"email": EMAIL, "name": " "}),
        ("name", {"email": EMAIL, "name": "a\u202eb"}),
        ("is_admin", {"email": EMAIL, "is_admin": True}),
        ("id", {"email": EMAIL, "id": str(new_id())}),
    ],
)
async def test_bad_input_is_refused_by_field_and_leaves_nothing(
    caller: httpx2.AsyncClient, home: House, path: str, ask: dict[str, object]
) -> None:
    refused = await caller.post("/v1/users", json={"password": PASSWORD} | ask)
    assert refused.status_code == 422, refused.text
    assert refused.json()["code"] == "invalid_input"
    assert path in [error["path"] for error in refused.json()["errors"]]
    assert await home.count("SELECT count(*) FROM users.users") == 0


@pytest.mark.parametrize("body", [b"", b"{", b'{"email": "a\\u0000@b.example"}', b'{"a":1,"a":2}'])
async def test_a_body_that_is_no_json_is_a_4xx(caller: httpx2.AsyncClient, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    refused = await caller.post("/v1/users", content=body, headers=headers)
    assert 400 <= refused.status_code < 500
    assert refused.headers["content-type"] == "application/problem+json"


async def test_a_password_typed_on_another_keyboard_is_the_same(home: House) -> None:
    made = await home.client().post(
        "/v1/users", json={"email": EMAIL, "password": "caf\u00e9 \u00c5ngstr\u00f6m"}
    )
    assert made.status_code == 201
    await home.login(EMAIL, "cafe\u0301 \u212bngstro\u0308m")


async def test_spaces_around_a_password_are_part_of_it(home: House) -> None:
    await home.register(email=EMAIL)
    ask = {"identifier": EMAIL, "password": f" {PASSWORD} "}
    assert (await home.client().post("/v1/login", json=ask)).status_code == 401


async def test_an_admin_is_made_once_and_nobody_is_promoted(home: House) -> None:
    admin = await home.users.create_admin("root@example.com", "an operator's own", "Root")
    assert admin.is_admin
    me = await home.client().get(
        "/v1/me", headers=bearer(await home.login("root@example.com", "an operator's own"))
    )
    assert me.json()["is_admin"] is True
    await home.register(email=EMAIL)
    with pytest.raises(IdentityTaken):
        await home.users.create_admin(EMAIL, "another good one", None)
    found = await home.users.find(EMAIL)
    assert found is not None
    assert not found.is_admin
    for email, password in (("root", PASSWORD), ("r@example.com", "short"), ("r@example.com", "")):
        with pytest.raises(InvalidInput):
            await home.users.create_admin(email, password, None)


async def test_people_are_found_by_id_and_by_any_form_of_an_identity(home: House) -> None:
    ann, bob = await asyncio.gather(
        home.register(email=EMAIL, phone=PHONE), home.register(email="bob@example.com")
    )
    unknown = new_id()
    assert await home.users.exists([ann, unknown, bob, ann]) == {ann, bob}
    assert await home.users.exists([]) == set()
    for identifier in (EMAIL, "ANN@Example.com ", PHONE, "07700 900123"):
        found = await home.users.find(identifier)
        assert found is not None
        assert found.id == ann
    for identifier in ("nobody@example.com", "+447700900999", "???", ""):
        assert await home.users.find(identifier) is None


async def test_the_description_of_the_api_shows_each_path(home: House) -> None:
    described = json.dumps(home.app.openapi())
    for path in ("/v1/users", "/v1/login/code/verify", "/v1/token/refresh", "/v1/me/identities"):
        assert f'"{path}"' in described
