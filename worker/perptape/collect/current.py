"""What venues say right now: one question to each, all at once, each with its own few seconds; one venue's failure is only its own."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any, Literal, TypeVar

from perptape.errors import PerptapeError, Retry, UsageError
from perptape.exchanges.base import Access, Exchange, origin_of
from perptape.instruments import Instrument, Resolution, resolve
from perptape.interval import SECOND
from perptape.times import span

T = TypeVar("T")
Connect = Callable[[str, Access], Exchange]
Dataset = Literal["open_interest", "funding_prediction"]
CLOSING = 0.5
"""Seconds that a venue's connections may take to close."""


@dataclass(frozen=True, slots=True)
class Said:
    """One venue's answer: rows in the dataset's order, what each word became, and where it is of."""

    rows: Sequence[tuple[Any, ...]]
    resolved: Sequence[Resolution]
    instruments: Sequence[Instrument]
    """All that the venue lists."""
    received: int
    origin: str
    dropped: Sequence[str] = ()
    unknown: Mapping[str, str] | None = None
    """word -> what is said about it (the nearest names)."""

    @property
    def wanted(self) -> tuple[Instrument, ...]:
        """The instruments that were asked for, each once."""
        return tuple({one.instrument.id: one.instrument for one in self.resolved if one.instrument is not None}.values())


@contextlib.asynccontextmanager
async def each(
    venues: Iterable[str],
    access: Mapping[str, Access],
    timeout: float,
    ask: Callable[[Exchange], Awaitable[T]],
    *,
    connect: Connect,
    patience: str = "",
) -> AsyncIterator[dict[str, T | PerptapeError]]:
    """Asks all venues at once. What a venue that fails or is silent for `timeout` seconds gets is its error.

    The connections are closed at the end of the block, so that what was said can be shown first. `patience` is how the user would
    name the time that was given.
    """
    exchanges: list[Exchange] = []
    end = asyncio.get_running_loop().time() + timeout  # of all: the first one's connecting imports CCXT, while the others have not begun

    async def one(venue: str) -> T | PerptapeError:
        try:
            async with asyncio.timeout_at(end):
                exchange = connect(venue, access[venue])
                exchanges.append(exchange)
                return await ask(exchange)
        except TimeoutError:
            where = access[venue].endpoint
            return Retry(f"no answer within {patience or f'{timeout:g} s'}{' from ' + where if where else ''}")
        except PerptapeError as error:
            return error

    order = tuple(venues)
    try:
        yield dict(zip(order, await asyncio.gather(*map(one, order)), strict=True))
    finally:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSING):
                await asyncio.gather(*(exchange.close() for exchange in exchanges), return_exceptions=True)


def named(venue: str, error: PerptapeError, todo: str = "try again, or give more time with --timeout") -> str:
    """A venue's failure on one line, with what to do where that is known; `todo` where asking again may help. Pure."""
    text = str(error).removeprefix(f"{venue}: ").removeprefix(f"{venue} ")
    if not isinstance(error, Retry):
        return f"{venue}: {text}"
    if error.after:
        return f"{venue}: {text}; ask again in {span(ceil(error.after) * SECOND)}, not before"
    return f"{venue}: {text}; {todo}"


def chosen(
    exchange: Exchange, words: Sequence[str], instruments: Sequence[Instrument], exact: bool
) -> tuple[list[Resolution], dict[str, str]]:
    """(what the words mean on this venue, what is said about those that it does not know). Pure."""
    resolved, unknown = [], {}
    for word in dict.fromkeys(words):
        try:
            resolved.append(resolve(word, exchange.traits.venue, instruments, default=exchange.traits.default_perpetual, exact=exact))
        except UsageError as error:
            unknown[word] = str(error)
    return resolved, unknown


async def said(exchange: Exchange, words: Sequence[str], dataset: Dataset, *, exact: bool = False) -> Said:
    """The current rows of one venue. Raises Retry, Skip or Fatal."""
    listed = await exchange.instruments()
    resolved, unknown = chosen(exchange, words, listed, exact)
    wanted = tuple({one.instrument.id: one.instrument for one in resolved if one.instrument is not None}.values())
    if not wanted:
        return Said((), resolved, listed, 0, origin_of(exchange), (), unknown)
    answer = await (exchange.open_interest(wanted) if dataset == "open_interest" else exchange.funding(wanted))
    rows, dropped = rows_of(dataset, answer.rows, answer.received)
    if not rows:
        raise Retry("; ".join([*answer.dropped, *dropped]) or "answered without any of the values asked for")
    return Said(rows, resolved, listed, answer.received, answer.origin, [*answer.dropped, *dropped], unknown)


def rows_of(dataset: Dataset, raws: Sequence[Any], received: int) -> tuple[list[tuple[Any, ...]], list[str]]:
    """(rows, one line for each that cannot be one). Pure."""
    from perptape.datasets import funding_prediction, open_interest
    from perptape.datasets.base import Invalid

    rows: list[tuple[Any, ...]] = []
    dropped: list[str] = []
    for raw in raws:
        try:
            rows.append(open_interest.row(raw, 0, received) if dataset == "open_interest" else funding_prediction.row(raw, received))
        except Invalid as error:
            dropped.append(f"{raw.instrument.id}: {error}")
    return rows, dropped
