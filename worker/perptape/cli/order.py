"""What `run`, `verify FILE` and `daemon start` were told, and the request that the collector is given for it.

Pure, but for what a start has left of its time.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from perptape.cli import places, times
from perptape.errors import UsageError
from perptape.interval import SECOND
from perptape.settings import Settings, variable
from perptape_api.names import LOG_RESERVE

if TYPE_CHECKING:
    from collections.abc import Callable

    from perptape.collect.request import Request
    from perptape_api.collection import Collection, CollectionSpec


@dataclass(frozen=True, slots=True)
class Order:
    """What `run` and `daemon start` were told."""

    collection: Collection
    source: str
    exchanges: tuple[str, ...] = ()
    datasets: tuple[str, ...] = ()
    once: bool = False
    live: bool = False
    deadline: str | None = None
    endpoints: tuple[str, ...] = ()
    catalog: str | None = None
    as_json: bool = False
    audit: int = 0
    """Calls for each venue and dataset that ask again what is kept; 0: what is missing is asked for."""
    again: Callable[[], Collection] | None = None
    """Reads the collection again, where it may change under way."""


def request(order: Order, settings: Settings, writer: str) -> Request:
    """The collector's request. Pure. Raises UsageError for what cannot be asked."""
    from perptape.collect.request import Request

    spec, name = order.collection.spec, order.collection.metadata.name
    if order.live and order.endpoints:
        raise UsageError("--live asks the real exchanges: leave out --endpoint, or --live")
    asked = places.venues(order.exchanges, among=(venue.exchange for venue in spec.venues), of=order.source)
    wanted = _datasets(order)
    return Request(
        name=name,
        source=order.source,
        spec=spec,
        venues=asked,
        datasets=wanted,
        once=order.once,
        deadline_s=deadline(order, settings),
        scheduled=settings.time_budget_s is not None,
        session=settings.session,
        since=settings.wanted_since,
        work_hash=settings.work_hash,
        access=places.real(asked, settings) if order.live else places.access(asked, order.endpoints, settings, spec),
        writer=writer,
        state=settings.state,
        reserve=reserve(spec, settings),
        audit=order.audit,
        namespace=settings.namespace,
    )


def reserve(spec: CollectionSpec, settings: Settings) -> int:
    """Bytes that each stream's log takes beforehand: what the environment says, else the spec. Pure."""
    if settings.log_reserve is not None:
        return settings.log_reserve
    return LOG_RESERVE if spec.collect.liquidations is None else spec.collect.liquidations.log_reserve_bytes


def _datasets(order: Order) -> tuple[str, ...]:
    """What is fetched; an audit asks again whatever of it has a history."""
    known = order.collection.spec.wanted()
    if order.audit:
        return tuple(one for one in order.datasets if one in known)
    return places.datasets(order.datasets, among=known, of=order.source)


def overridden(order: Order, settings: Settings) -> list[str]:
    """The endpoints that `--live` does not follow: the environment's by their variables, the file's by their venues. Pure."""
    if not order.live:
        return []
    known = order.collection.spec.venues
    of_file = ", ".join(venue.exchange for venue in known if venue.endpoint is not None)
    ignored = [variable(venue.exchange) for venue in known if venue.exchange in settings.endpoints]
    return [*ignored, f"the endpoints of {of_file} in {order.source}"] if of_file else ignored


def deadline(order: Order, settings: Settings) -> float | None:
    """Seconds that the run may take: as the option says, else what the start has left of the schedule's budget."""
    if order.deadline is not None:
        return times.length(order.deadline, "--deadline") / SECOND
    if settings.time_budget_s is None:
        return None
    spent = 0.0 if settings.started is None else time.monotonic() - settings.started
    return max(settings.time_budget_s - spent, 0.0)
