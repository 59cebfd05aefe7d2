"""`perptape daemon start`: a CollectionSpec made from options, printed, and run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer

from perptape.cli import options
from perptape.errors import UsageError

if TYPE_CHECKING:
    from perptape_api.collection import Collection, CollectionSpec

daemon = typer.Typer(help="Collect until stopped.", no_args_is_help=True, rich_markup_mode=None)
SOURCE = "daemon"


@daemon.command("start")
def start(
    ctx: typer.Context,
    symbol: Annotated[
        list[str] | None, typer.Option("--symbol", "-s", metavar="SYMBOL", help="A symbol; repeatable. [BTCUSDT-PERP, ETHUSDT-PERP]")
    ] = None,
    exchange: options.Exchanges = None,
    oi_interval: Annotated[int, typer.Option("--oi-interval", metavar="MIN", help="Minutes between open-interest rows.")] = 5,
    funding_interval: Annotated[int, typer.Option("--funding-interval", metavar="MIN", help="Minutes between funding predictions.")] = 60,
    no_liquidations: Annotated[bool, typer.Option("--no-liquidations", help="Do not stream liquidations.")] = False,
    endpoint: options.Endpoints = None,
    catalog: options.Catalog = None,
) -> int:
    """Collect open interest, funding and liquidations until stopped; prints the CollectionSpec that says the same."""
    from perptape import output
    from perptape.cli import carry, places
    from perptape.cli.order import Order
    from perptape_api.document import dump

    collection = made(
        symbol or ["BTCUSDT-PERP", "ETHUSDT-PERP"], places.venues(exchange), oi_interval, funding_interval, not no_liquidations
    )
    with suppress(output.Unread):  # it is to collect all the same
        output.line(dump(collection).rstrip())
        output.flush()
    source = wanting(SOURCE, collection.spec)
    return carry.out(Order(collection, source=source, endpoints=tuple(endpoint or ()), catalog=catalog), ctx.obj)


def made(symbols: list[str], venues: tuple[str, ...], oi_minutes: int, funding_minutes: int, liquidations: bool) -> Collection:
    """The collection that these options describe. Pure."""
    from perptape_api.document import parse

    collect: dict[str, object] = {
        "openInterest": {"every": every(oi_minutes, "--oi-interval")},
        "funding": {"every": every(funding_minutes, "--funding-interval")},
    }
    if liquidations:
        collect["liquidations"] = {}
    return parse(document("daemon", symbols, venues, collect), SOURCE)


def document(
    name: str, symbols: Sequence[str], venues: Sequence[str], collect: dict[str, object], *, exact: bool = False
) -> dict[str, object]:
    """A CollectionSpec as plain values, kept on this machine. Pure."""
    return {
        "apiVersion": "perptape.io/v1alpha1",
        "kind": "CollectionSpec",
        "metadata": {"name": name},
        "spec": {
            "venues": [{"exchange": venue} for venue in venues],
            "symbols": {"names": list(dict.fromkeys(symbols)), "exact": exact},
            "collect": collect,
            "store": {"persistentVolumeClaim": {}},
        },
    }


def wanting(command: str, spec: CollectionSpec) -> str:
    """Who wants what these options say: the same command given again. One that asks for something else is somebody else, beside whom
    it may run: of one who wants, the later process ends what it does not list any more. Pure."""
    text = json.dumps([sorted(spec.symbols.names or ()), spec.symbols.exact, spec.collect.model_dump(mode="json", by_alias=True)])
    return f"{command}-{hashlib.blake2b(text.encode(), digest_size=6).hexdigest()}"


def every(minutes: int, option: str) -> str:
    """Minutes as the spec writes them: ``5m``, ``2h``, ``1d``."""
    from perptape_api.durations import EVERY

    text = "1d" if minutes == 1440 else f"{minutes // 60}h" if minutes >= 60 and minutes % 60 == 0 else f"{minutes}m"
    if text not in EVERY:
        raise UsageError(f"{option} {minutes}: one of {', '.join(str(_minutes(one)) for one in EVERY)} minutes")
    return text


def _minutes(text: str) -> int:
    return int(text[:-1]) * {"m": 1, "h": 60, "d": 1440}[text[-1]]
