"""`lockstock explain`: parse, ask, print. It asks the services, on the database of the settings."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

import typer

from lockstock.app import Services
from lockstock.kernel.moments import moment_of
from lockstock.products.contract import FindVariants
from lockstock.warehouses.explain.contract import Explanation, WhyAvailable

# What an explanation can name at most, at once.
MOST_VARIANTS = 100


@dataclass(frozen=True)
class Asked:
    """What was typed. One of `variant` and `order` is given."""

    shop: str
    variant: str | None
    warehouse: str | None
    order: str | None
    as_of: str | None


@dataclass(frozen=True)
class Explained:
    """The explanation, and the words for each variant that it names by its id."""

    explanation: Explanation
    names: dict[UUID, str]


Work = Callable[[Services], Awaitable[Explained]]


def add_to(cli: typer.Typer, run: Callable[[Work], Explained]) -> None:
    """Add the command to the command line. `run` does work on the services."""

    @cli.command("explain")
    def explain(
        *,
        shop: Annotated[str, typer.Option(help="The id of the shop.")],
        variant: Annotated[str | None, typer.Option(help="A SKU, or the id of a variant.")] = None,
        warehouse: Annotated[
            str | None,
            typer.Option(help="With a variant: why so much is on hand here. Name or id."),
        ] = None,
        order: Annotated[str | None, typer.Option(help="The id of an order.")] = None,
        as_of: Annotated[
            str | None,
            typer.Option(help="With a warehouse: on hand then, as 2026-11-23T20:55:00Z."),
        ] = None,
        as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
    ) -> None:
        """Explain why a variant is available or not, what is on hand, or where an order comes from.

        Examples:

            lockstock explain --shop 0190c1f2-... --variant TEAPOT

            lockstock explain --shop 0190c1f2-... --variant TEAPOT --warehouse North

            lockstock explain --shop 0190c1f2-... --order 1d2c...
        """
        asked = Asked(shop, variant, warehouse, order, as_of)
        _check(asked)
        explained = run(lambda made: answer(made, asked))
        if as_json:
            typer.echo(explained.explanation.model_dump_json())
            return
        for line in lines(explained):
            typer.echo(line)


def _check(asked: Asked) -> None:
    if (asked.variant is None) == (asked.order is None):
        raise typer.BadParameter("Give --variant, --variant and --warehouse, or --order.")
    if asked.warehouse is not None and asked.variant is None:
        raise typer.BadParameter("--warehouse goes with --variant.")
    if asked.as_of is not None and asked.warehouse is None:
        raise typer.BadParameter("--as-of goes with --variant and --warehouse.")


async def answer(made: Services, asked: Asked) -> Explained:
    """Find what is meant and explain it. Raises ValueError for what is not there, with a hint."""
    shop = _id_of(asked.shop, "--shop takes the id of a shop, as POST /v1/shops answers it.")
    await made.shops.get(shop)
    if asked.order is not None:
        order = _id_of(asked.order, "--order takes the id of an order.")
        found = await made.explanations.order(shop, order)
        named = [part.variant_id for part in found.allocations]
        return Explained(found, await _names(made, shop, named))
    variant = await _variant_of(made, shop, asked.variant or "")
    names = await _names(made, shop, [variant])
    if asked.warehouse is None:
        return Explained(await made.explanations.available(shop, variant), names)
    warehouse = await _warehouse_of(made, shop, asked.warehouse)
    moment = None if asked.as_of is None else moment_of(asked.as_of)
    return Explained(await made.explanations.on_hand(shop, variant, warehouse, moment), names)


def lines(explained: Explained) -> list[str]:
    """Return what is printed for people."""
    found = explained.explanation
    told = [] if found.question == "order" else list(explained.names.values())
    told += found.sentences
    if isinstance(found, WhyAvailable):
        for here in found.warehouses:
            told += [f"{here.name}:", *(f"  {sentence}" for sentence in here.sentences)]
    return [_with_names(line, explained.names) for line in told]


def _with_names(line: str, names: dict[UUID, str]) -> str:
    for variant_id, name in names.items():
        line = line.replace(str(variant_id), name)
    return line


def _id_of(typed: str, hint: str) -> UUID:
    try:
        return UUID(typed)
    except ValueError:
        raise ValueError(hint) from None


async def _variant_of(made: Services, shop: UUID, typed: str) -> UUID:
    by_sku = await made.products.variants_by_sku(shop, [typed])
    if by_sku:
        return by_sku[0].variant_id
    known = (
        f"The shop has no variant with the SKU or id {typed}. lockstock export products has all."
    )
    variant = _id_of(typed, known)
    if variant not in await made.products.existing(shop, [variant]):
        raise ValueError(known)
    return variant


async def _warehouse_of(made: Services, shop: UUID, typed: str) -> UUID:
    warehouses = await made.warehouses.list_warehouses(shop)
    found = [one.id for one in warehouses if typed in (str(one.id), one.name)]
    if len(found) == 1:
        return found[0]
    names = ", ".join(f"{one.name} ({one.id})" for one in warehouses)
    which = "is several warehouses" if found else "is no warehouse of the shop"
    raise ValueError(f"{typed} {which}. There are: {names}.")


async def _names(made: Services, shop: UUID, variants: list[UUID]) -> dict[UUID, str]:
    wanted = list(dict.fromkeys(variants))[:MOST_VARIANTS]
    found = await made.products.find_variants(shop, FindVariants(variant_ids=wanted))
    return {one.variant_id: f"{one.sku} ({one.name})" for one in found}
