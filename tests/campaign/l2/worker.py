"""A worker's process as `perptape run FILE` makes one, but for its time, which goes faster, and for a part with a seeded defect.

Its only argument is JSON (`Told`). Output: its log, and the summary as the last line. Exit code: the run's.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from campaign.l2.away import Away
from campaign.l2.defects import PARTS
from perptape import logs, output
from perptape.cli.order import Order, request
from perptape.collect.asking import Environment
from perptape.collect.run import Run
from perptape.errors import UsageError
from perptape.exchanges.base import Access, Exchange
from perptape.exchanges.host import Shared, place
from perptape.exchanges.registry import connect, traits
from perptape.settings import settings
from perptape.store.location import filesystem
from perptape_api.collection import Collection
from perptape_api.document import load
from support.hastened import Time


@dataclass(frozen=True, slots=True)
class Told:
    """`pod`: whether it is one of several that share a session, wanting since `since` (ms). `skew`: its clock less the true one, ms."""

    spec: str
    catalog: str
    writer: str
    datasets: tuple[str, ...]
    once: bool
    pod: bool
    since: int
    factor: float
    began: float
    start: float
    skew: int = 0
    budget: float = 0.0
    sign: str = ""
    """The file that says that the store is away; no name: it is a folder, and there."""
    defect: str = ""

    @property
    def words(self) -> list[str]:
        return [json.dumps(asdict(self))]


def main(arguments: Sequence[str], started: float) -> None:
    told = Told(**json.loads(arguments[0]))
    clock = Time(told.factor, told.began, told.start)
    logs.configure("info", "console")
    logs.structured()
    with asyncio.Runner(loop_factory=clock.loop) as runner:
        try:
            summary = runner.run(carried(told, load(Path(told.spec).read_text(), told.spec), clock))
        except UsageError as error:  # as the command does: a contract that is away when nobody has seen it yet is unknown
            sys.stderr.write(f"{error}\n")
            raise SystemExit(2) from None
    output.line(summary.as_json())
    output.flush()
    raise SystemExit(summary.exit_code)


async def carried(told: Told, collection: Collection, clock: Time) -> Any:
    parts = PARTS[told.defect]
    found = replace(settings(os.environ), log_reserve=2**20)
    order = Order(collection, source="l2.yaml", datasets=tuple(told.datasets), once=told.once)
    asked = request(order, found, told.writer)
    asked = replace(asked, access={venue: hastened(venue, one, clock, told) for venue, one in asked.access.items()})
    if told.pod:
        asked = replace(asked, namespace="default", session="work", work_hash="work", since=told.since)
    if told.once:
        asked = replace(asked, scheduled=True, deadline_s=told.budget)

    def connected(venue: str, access: Access) -> Exchange:
        return parts.exchange(connect(venue, access, lambda: clock.ns(told.skew)))

    environment = Environment(
        clock=lambda: clock.ns(told.skew) // 1_000_000, monotonic=clock.monotonic, sleep=asyncio.sleep, chance=random.random
    )
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    tape = parts.tape(Away(filesystem(told.catalog), told.sign)) if told.sign else parts.tape.open(told.catalog)
    return await Run(asked, tape, connected, environment, stop).carry_out()


def hastened(venue: str, access: Access, clock: Time, told: Told) -> Access:
    """The same access, with turns that wait by the process' own clock and are shared with the others'."""
    state = Path(told.catalog).with_name("limits")
    shared = Shared(place(str(state), venue, access.endpoint), clock.monotonic)
    turns = PARTS[told.defect].turns(venue, traits(venue).limits, access.speed, shared=shared, monotonic=clock.monotonic)
    return replace(access, turns=turns)
