"""A venue that answers what it is handed, and what the real collector makes of that: CCXT's client, the venue's file, the translation.

Nothing is faked on the collector's side of the socket. A question is asked through `CcxtExchange` and its answer goes the way of a fetch
(`harvest`, `mending.repaired`); a frame goes through `Connection` into a `ConnectionSink`; what comes of either is encoded as in the store.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, cast

import pyarrow as pa

from fuzz.payloads import NOW, PAST, SETTLED, SPAN, WANTED, Question
from perptape.claims import Claim
from perptape.collect.grids import Grid, funding_grids, open_interest_grids, page_rule, stream_grid
from perptape.collect.harvest import NEVER, Harvest, funding_page, history_page, predictions, samples, settlements
from perptape.collect.mending import repaired
from perptape.collect.paginate import request
from perptape.collect.plan import Window
from perptape.collect.stream_batch import Counts, Intake
from perptape.collect.stream_sink import ConnectionSink
from perptape.datasets.base import FORMATS, Dataset, join
from perptape.datasets.funding import FUNDING
from perptape.datasets.funding_prediction import FUNDING_PREDICTION
from perptape.datasets.liquidations import LIQUIDATIONS
from perptape.datasets.open_interest import OPEN_INTEREST
from perptape.errors import PerptapeError
from perptape.exchanges import _ccxt
from perptape.exchanges._ccxt import CcxtExchange
from perptape.exchanges._ccxt_stream import Connection
from perptape.exchanges.base import Access
from perptape.exchanges.calls import Venue
from perptape.interval import DAY, HOUR, MINUTE, Interval
from perptape.raw import Answer
from perptape.store.log_record import Events, Marks, encode

Row = tuple[Any, ...]
_LOGGER = logging.getLogger(_ccxt.__name__)


@dataclass(slots=True)
class Outcome:
    """What became of one payload."""

    rows: Sequence[Row] = ()
    reasons: list[str] = field(default_factory=list)
    """Of everything that was dropped, or of the whole."""
    claims: Sequence[Claim] = ()
    sent: list[Any] = field(default_factory=list)
    """The venue's own numbers that rows were made of."""
    crash: BaseException | None = None
    told: int = 0
    """Of a frame: how often it was said to be something."""


class Desk:
    """One venue. Open it inside the running loop; close it there."""

    def __init__(self, venue: str, told: Any = None) -> None:
        self.venue = venue
        self._told = cast("Venue", told or import_module(f"perptape.exchanges.{venue}"))
        self._texts: Mapping[str, bytes] = {}
        self._wanted = WANTED[venue]
        self._reasons: list[str] = []
        self._intake = Intake(10_000, Counts())
        feed = self._told.TRAITS.feed
        unit = feed.quantity_unit if feed is not None else "base"
        self._sink = ConnectionSink(
            self._intake, unit, market=feed is not None and feed.scope == "market", on_row=None,
            on_malformed=lambda _, message: self._reasons.append(message), clock=lambda: 0.0,
        )  # fmt: skip
        self._sink.acknowledged("c", NOW * 1_000_000)
        self._intake.take()

    async def open(self) -> None:
        self._server = await asyncio.get_running_loop().create_server(lambda: _Answering(self._answer), "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        access = Access(f"http://127.0.0.1:{port}", timeout=5.0, speed=1e9)
        self._exchange = CcxtExchange(self._told, access, lambda: NOW * 1_000_000, lambda: "c")

    async def close(self) -> None:
        await self._exchange.close()
        self._server.close()

    async def ask(self, question: Question, texts: Mapping[str, bytes]) -> Outcome:
        """What the question comes to where the calls that it makes are answered so."""
        self._texts = texts
        try:
            return await self._translated(question)
        except PerptapeError as error:
            return Outcome(reasons=[str(error)])
        except Exception as error:
            return Outcome(crash=error)

    def hear(self, frame: str | bytes) -> Outcome:
        """What a frame comes to."""
        self._reasons.clear()
        stream = self._told.STREAM
        assert stream is not None
        connection = Connection("c", self._wanted, self._sink, lambda: NOW * 1_000_000)
        connection.expect(10_000)
        try:
            connection.frames([frame], stream)
            self._sink.settle()
            batch = self._intake.take()
            encode(Marks(tuple(batch.marks)))
            if batch.rows:
                table = LIQUIDATIONS.table(batch.rows)
                encode(Events(table.combine_chunks().to_batches()[0]))
                _stored(LIQUIDATIONS, batch.rows)
            told = len(batch.rows) + sum(mark.kind != "malformed" for mark in batch.marks) + (connection.refusal is not None)
            told += connection._missing < 10_000
            sent = [number for row in batch.rows for number in (row[3], row[4], row[6])]
            return Outcome(batch.rows, list(self._reasons), sent=sent, told=told)
        except Exception as error:
            return Outcome(crash=error)

    def _answer(self, head: bytes, body: bytes) -> bytes:
        target = (head.split(b" ", 2)[1] + body).decode()
        return next((text for name, text in self._texts.items() if _meant(name, target)), b"{}")

    async def _translated(self, question: Question) -> Outcome:
        traits, one = self._told.TRAITS, self._wanted[0]
        match question:
            case "instruments":
                with _Log() as said:
                    listed = await self._exchange.instruments()
                assert self._exchange.listed_whole == (not said)
                return Outcome([(each.id,) for each in listed], said)
            case "open_interest":
                answer = await self._exchange.open_interest(self._wanted)
                sent = [number for raw in answer.rows for number in (raw.contracts, raw.base, raw.usd, raw.mark)]
                grid = Grid("open_interest", "sample/1h", HOUR, open_interest_grids(traits, HOUR, 0)[0].rules)
                return _outcome(OPEN_INTEREST, answer, samples(answer.rows, grid, answer.received), sent)
            case "funding":
                predicted = await self._exchange.funding(self._wanted)
                sent = [number for raw in predicted.rows for number in (raw.rate, raw.next_rate, raw.mark, raw.index)]
                grid = funding_grids(traits, HOUR, DAY)[1]
                return _outcome(FUNDING_PREDICTION, predicted, predictions(predicted.rows, grid, predicted.received), sent)
            case "open_interest_page":
                (grid,) = open_interest_grids(traits, 5 * MINUTE, DAY)
                window, asked = self._window(grid, SPAN)
                page = await self._exchange.open_interest_page(one, 5 * MINUTE, asked)
                sent = [number for raw in page.rows for number in (raw.contracts, raw.base, raw.usd)]
                rule = page_rule(traits, grid)
                assert rule is not None
                harvest = history_page(window, asked, page.rows, grid, rule, page.received, len(page.dropped))
                return _outcome(OPEN_INTEREST, page, harvest, sent)
            case "funding_page":
                grid = funding_grids(traits, HOUR, DAY)[0]
                window, asked = self._window(grid, SETTLED)
                settled = await self._exchange.funding_page(one, asked)
                rule = page_rule(traits, grid)
                assert rule is not None
                unread = len(settled.dropped)
                harvest = funding_page(window, asked, settled.rows, (), grid, rule, settled.received, unread, one.life, NEVER)
                rows = settlements(harvest.raws, settled.received, traits.funding_fixed_interval)
                return _outcome(FUNDING, settled, harvest, [raw.rate for raw in settled.rows], rows)
            case "liquidations_page":
                found = stream_grid(traits)
                assert found is not None
                window, asked = self._window(found, PAST)
                past = await self._exchange.liquidations_page(one, asked)
                rule, feed = page_rule(traits, found), traits.feed
                assert rule is not None
                assert feed is not None
                orders = [order for fill in past.rows for order in fill.orders]
                sent = [number for order in orders for number in (order.price, order.average)]
                harvest = repaired(window, asked, past, feed, rule)
                return _outcome(LIQUIDATIONS, Answer((), past.received), harvest, sent)

    def _window(self, grid: Grid, span: Interval) -> tuple[Window, Interval]:
        rule = page_rule(self._told.TRAITS, grid)
        assert rule is not None
        return Window(self._wanted[0].id, grid.name, span), request(span, rule, NOW)


class _Log(logging.Handler):
    """What is logged of contracts that are left out, while it listens."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record.getMessage())

    def __enter__(self) -> list[str]:
        _LOGGER.addHandler(self)
        return self.said

    def __exit__(self, *_: object) -> None:
        _LOGGER.removeHandler(self)


def _outcome(dataset: Dataset, answer: Answer[Any], harvest: Harvest, sent: list[Any], rows: Sequence[Row] | None = None) -> Outcome:
    rows = harvest.rows if rows is None else rows
    _stored(dataset, rows)
    reasons = [*answer.dropped, *harvest.dropped, *([harvest.doubt] if harvest.doubt else [])]
    return Outcome(rows, reasons, harvest.claims, sent)


def _stored(dataset: Dataset, rows: Sequence[Row]) -> pa.Table:
    """The rows as a segment and as data files hold them."""
    table = join(dataset, [dataset.table(rows)])
    for layout in FORMATS:
        if table.num_rows:
            dataset.to_file(table, layout, "X")
    return table


def _meant(name: str, target: str) -> bool:
    """``openInterest?symbol=BTCUSDT``, ``status=Closed``, ``open-interest`` and Hyperliquid's ``meta``, in a request's target and body."""
    path, _, rest = target.partition("?")
    if "=" in name:
        return all(part in target for part in name.split("?"))
    return path.rstrip("/").endswith(name) or f'"type":"{name}"' in target.replace(" ", "") if not rest else path.endswith(name)


class _Answering(asyncio.Protocol):
    """HTTP/1.1, kept alive: each request gets 200 and what it is answered."""

    def __init__(self, answer: Callable[[bytes, bytes], bytes]) -> None:
        self._answered, self._got = answer, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._got += data
        while b"\r\n\r\n" in self._got:
            head, _, rest = self._got.partition(b"\r\n\r\n")
            length = next((int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0)
            if len(rest) < length:
                return
            body, self._got = rest[:length], rest[length:]
            text = self._answered(head, body)
            said = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(text)
            self._transport.write(said + text)
