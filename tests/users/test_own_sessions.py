"""GET and DELETE /v1/me/sessions."""

from typing import Any

import httpx2

from lockstock.kernel.ids import new_id
from tests.users.accounts import PASSWORD, House, bearer

EMAIL = "ann@example.com"
PHONE = "+447700900123"


async def log_in(
    home: House, program: str, address: str = "192.0.2.1", identifier: str = EMAIL
) -> dict[str, Any]:
    ask = {"identifier": identifier, "password": PASSWORD}
    headers = {"User-Agent": program}
    answer = await home.client(address).post("/v1/login", json=ask, headers=headers)
    tokens: dict[str, Any] = answer.json()
    return tokens


async def listed(home: House, tokens: dict[str, Any], **query: Any) -> dict[str, Any]:
    answer = await home.client().get("/v1/me/sessions", params=query, headers=bearer(tokens))
    assert answer.status_code == 200, answer.text
    page: dict[str, Any] = answer.json()
    return page


async def end(home: House, tokens: dict[str, Any], session: str = "") -> httpx2.Response:
    path = f"/v1/me/sessions/{session}" if session else "/v1/me/sessions"
    return await home.client().delete(path, headers=bearer(tokens))


async def test_sessions_are_listed_with_where_and_by_what_they_were_used_last(
    home: House,
) -> None:
    await home.register(email=EMAIL)
    await home.register(phone=PHONE)
    await log_in(home, "somebody else", identifier=PHONE)
    phone = await log_in(home, "phone/1 " + "x" * 300, "2001:db8::1")
    laptop = await log_in(home, "laptop/2")
    items = (await listed(home, laptop))["items"]
    assert [item["current"] for item in items] == [True, False]
    assert (items[0]["user_agent"], items[0]["address"]) == ("laptop/2", "192.0.2.1")
    assert items[1]["user_agent"] == ("phone/1 " + "x" * 300)[:200]
    assert items[1]["address"] == "2001:db8::1"
    refreshed = await home.client("192.0.2.9").post(
        "/v1/token/refresh",
        json={"refresh_token": phone["refresh_token"]},
        headers={"User-Agent": "phone/2"},
    )
    assert refreshed.status_code == 200
    first = (await listed(home, laptop))["items"][0]
    assert (first["user_agent"], first["address"]) == ("phone/2", "192.0.2.9")
    assert first["last_used_at"] > first["created_at"]


async def test_sessions_come_page_by_page(home: House) -> None:
    await home.register(email=EMAIL)
    sessions = [await log_in(home, f"program/{number}") for number in range(5)]
    seen: list[str] = []
    query: dict[str, Any] = {"limit": 2}
    while True:
        page = await listed(home, sessions[0], **query)
        seen += [item["user_agent"] for item in page["items"]]
        if page["next"] is None:
            break
        query["cursor"] = page["next"]
    assert seen == [f"program/{number}" for number in (4, 3, 2, 1, 0)]


async def test_an_ended_session_is_gone_at_once(home: House) -> None:
    await home.register(email=EMAIL)
    lost, here = await log_in(home, "lost"), await log_in(home, "here")
    [_, item] = (await listed(home, here))["items"]
    assert (await end(home, here, item["id"])).status_code == 204
    refreshed = {"refresh_token": lost["refresh_token"]}
    assert (await home.client().post("/v1/token/refresh", json=refreshed)).status_code == 401
    assert (await end(home, lost, item["id"])).status_code == 401
    assert [each["user_agent"] for each in (await listed(home, here))["items"]] == ["here"]
    assert (await end(home, here, item["id"])).status_code == 404


async def test_all_others_end_and_this_one_stays(home: House) -> None:
    await home.register(email=EMAIL)
    await home.register(phone=PHONE)
    stranger = await log_in(home, "stranger", identifier=PHONE)
    for number in range(3):
        await log_in(home, f"other/{number}")
    here = await log_in(home, "here")
    assert (await end(home, here)).status_code == 204
    assert [each["user_agent"] for each in (await listed(home, here))["items"]] == ["here"]
    assert len((await listed(home, stranger))["items"]) == 1


async def test_anothers_session_cannot_be_ended(home: House) -> None:
    await home.register(email=EMAIL)
    await home.register(phone=PHONE)
    ann, bob = await log_in(home, "ann"), await log_in(home, "bob", identifier=PHONE)
    [anns] = (await listed(home, ann))["items"]
    for session in (anns["id"], str(new_id()), "nonsense"):
        assert (await end(home, bob, session)).status_code == 404
    assert len((await listed(home, ann))["items"]) == 1


async def test_nobody_and_the_logged_out_see_no_sessions(home: House) -> None:
    await home.register(email=EMAIL)
    tokens = await log_in(home, "ann")
    await home.client().post("/v1/logout", json={"refresh_token": tokens["refresh_token"]})
    for headers in ({}, bearer(tokens)):
        answer = await home.client().get("/v1/me/sessions", headers=headers)
        assert answer.status_code == 401
