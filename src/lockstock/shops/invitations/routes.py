"""Invitations over HTTP."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request

from lockstock.kernel.access import Caller, ShopKeeper
from lockstock.kernel.http import PathId, Problem, StrictRoute, provided
from lockstock.kernel.nouns import Page
from lockstock.shops.invitations.contract import (
    Acceptance,
    Invitation,
    Invitations,
    Membership,
    NewInvitation,
)

router = APIRouter(route_class=StrictRoute, tags=["invitations"])

INVITATIONS = "/v1/shops/{shop}/invitations"
Service = Annotated[Invitations, provided("invitations")]


async def _caller_address(request: Request) -> str:
    return "unknown" if request.client is None else request.client.host


Address = Annotated[str, Depends(_caller_address)]


def _refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    return {status: {"model": Problem} for status in statuses}


@router.post(
    INVITATIONS,
    status_code=201,
    responses=_refusals(400, 401, 403, 404, 409, 413, 415, 422, 429, 503),
)
async def invite(
    shop: PathId, actor: ShopKeeper, ask: NewInvitation, address: Address, service: Service
) -> Invitation:
    """Invite somebody to work in the shop, by e-mail address or phone number.

    They need no account yet. A second invitation to the same address takes the place of the first.
    """
    return await service.invite(shop, actor.user_id, ask, address)


@router.get(INVITATIONS, responses=_refusals(401, 403, 404))
async def list_invitations(shop: PathId, _actor: ShopKeeper, service: Service) -> Page[Invitation]:
    """List the shop's open invitations, oldest first."""
    return Page(items=await service.list_invitations(shop), next=None)


@router.delete(INVITATIONS + "/{invitation}", status_code=204, responses=_refusals(401, 403, 404))
async def withdraw_invitation(
    shop: PathId, invitation: PathId, _actor: ShopKeeper, service: Service
) -> None:
    """Withdraw an invitation that nobody has accepted."""
    await service.withdraw(shop, invitation)


@router.post("/v1/invitations/accept", responses=_refusals(400, 401, 403, 404, 413, 415, 422))
async def accept_invitation(actor: Caller, ask: Acceptance, service: Service) -> Membership:
    """Accept an invitation, which makes the caller a member of the shop.

    The token is the proof: whoever it was sent to may accept in any account of theirs. Who works
    in the shop already keeps the higher of the two roles.
    """
    return await service.accept(actor.user_id, ask)
