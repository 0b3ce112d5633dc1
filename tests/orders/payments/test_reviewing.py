"""Payments that a person has to look at: listed for those who may, and ticked off with a reason."""

from tests.conftest import Register
from tests.orders.payments.till import Till, answered, refused


async def flagged(till: Till) -> dict[str, str]:
    """A payment with other money than asked for."""
    payment = await till.start(await till.place())
    await till.tell(payment, amount_minor=1)
    return payment


async def test_what_is_looked_at_leaves_the_list_with_who_and_why(till: Till) -> None:
    payments = [await flagged(till) for _ in range(3)]
    await till.start(await till.place())
    path = f"{till.base}/payments"
    first = await till.get(f"{path}?review=true&limit=2", till.owner)
    second = await till.get(f"{path}?review=true&limit=2&cursor={first['next']}", till.owner)
    listed = [item["id"] for item in first["items"] + second["items"]]
    assert listed == [payment["id"] for payment in reversed(payments)]
    assert second["next"] is None
    assert len((await till.get(path, till.owner))["items"]) == 4
    said = {"reason": "called the customer"}
    here = f"{path}/{payments[0]['id']}/reviewed"
    done = answered(await till.post(here, said, user=till.owner), 200)
    assert done["review"] is False
    assert (done["reviewed"]["actor_id"], done["reviewed"]["reason"]) == (
        str(till.owner.id),
        said["reason"],
    )
    again = await till.post(here, {"reason": "once more"}, user=till.owner)
    assert answered(again, 200) == done
    left = await till.get(f"{path}?review=true", till.owner)
    assert [item["id"] for item in left["items"]] == [payments[2]["id"], payments[1]["id"]]


async def test_what_is_not_flagged_cannot_be_ticked_off(till: Till) -> None:
    payment = await till.start(await till.place())
    path = f"{till.base}/payments/{payment['id']}/reviewed"
    answer = await till.post(path, {"reason": "fine"}, user=till.owner)
    refused(answer, 409, "payment_not_flagged")
    answer = await till.post(path, {"reason": " "}, user=till.owner)
    refused(answer, 422, "invalid_input")


async def test_only_those_who_keep_orders_look(till: Till, register: Register) -> None:
    payment = await flagged(till)
    viewer = await register()
    members = f"{till.base}/members/{viewer.id}"
    await till.client.put(members, json={"role": "viewer"}, headers=till.owner.headers)
    reviewed = f"{till.base}/payments/{payment['id']}/reviewed"
    for user, status, code in ((till.customer, 404, "not_found"), (viewer, 403, "forbidden")):
        answer = await till.client.get(f"{till.base}/payments", headers=user.headers)
        refused(answer, status, code)
        refused(await till.post(reviewed, {"reason": "x"}, user=user), status, code)
    elsewhere = f"{till.base}/payments/{till.shop['id']}/reviewed"
    refused(await till.post(elsewhere, {"reason": "x"}, user=till.owner), 404, "not_found")


async def test_what_was_said_of_a_payment_is_not_for_its_customer(till: Till) -> None:
    payment = await flagged(till)
    path = f"{till.base}/orders/{payment['order_id']}/payments"
    link = f"/v1/sandbox/payments/{payment['id']}"
    for user, flag in ((till.owner, True), (till.customer, False)):
        [shown] = (await till.get(path, user))["items"]
        assert shown["review"] is flag
    assert answered(await till.client.get(link), 200)["review"] is False
    said = f"{till.base}/payments/{payment['id']}/reviewed"
    answered(await till.post(said, {"reason": "looks like fraud"}, user=till.owner), 200)
    for user, seen in ((till.owner, "looks like fraud"), (till.customer, None)):
        [shown] = (await till.get(path, user))["items"]
        assert (shown["reviewed"] or {}).get("reason") == seen
    by_link = await till.client.get(link)
    assert answered(by_link, 200)["reviewed"] is None
