"""The two processes that `soak` watches: a collector that tells how it stands, and a publisher that never rests.

python bench/soak_processes.py --collect SPEC CATALOG LEAK ROLL VENUE=URL…
python bench/soak_processes.py --publish CATALOG EVERY
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

LOOK_S = 0.25
KEPT_S = 120
"""What is folded goes after two minutes in place of an hour: there is no more of it after half an hour than after months."""
STEADY_S = 5.0
"""A connection that lived so long forgives the failures before it, since none lives for the product's minute here."""


async def collect(spec: str, catalog: str, endpoints: Sequence[str], leak: int, roll: float) -> None:
    """Collects until stdin ends; once a second a line of JSON says how it stands."""
    from dataclasses import replace

    from perptape.cli import run, venue_calls
    from perptape.cli.order import Order, request
    from perptape.collect.run import Run
    from perptape.collect.stream_report import Pace
    from perptape.settings import settings
    from perptape.store.tape import Tape

    order = Order(collection=run.read(spec), source="soak.yaml", endpoints=tuple(endpoints), catalog=catalog)
    asked = request(order, settings(os.environ), "soak")
    leaked = bytearray()

    def connect(venue: str, access: Any) -> Any:
        return Leaking(venue_calls.connect(venue, access), leaked, leak)

    environment = replace(venue_calls.environment(), pace=Pace(roll=roll, steady=STEADY_S))
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    threading.Thread(target=lambda: (sys.stdin.read(), loop.call_soon_threadsafe(stop.set)), daemon=True).start()
    under_way = Run(asked, Tape.open(catalog), connect, environment, stop)
    telling = asyncio.create_task(tell(under_way))
    summary = await under_way.carry_out()
    telling.cancel()
    sys.stdout.write(json.dumps({"exit": summary.exit_code, "leaked": len(leaked)}) + "\n")


async def tell(under_way: Any) -> None:
    import pyarrow as pa

    while True:
        lives = [one.live for one in under_way.summary.outcomes if one.live is not None]
        told = {
            "events": sum(live.counts.events for live in lives),
            "malformed": sum(live.counts.malformed for live in lives),
            "reconnects": sum(live.reconnects for live in lives),
            "connected": sum(live.connected for live in lives),
            "waiting": sum(live.waiting for live in lives),
            "tasks": len(asyncio.all_tasks()),
            "arrow": pa.total_allocated_bytes(),
            "blocks": sys.getallocatedblocks(),
        }
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()
        await asyncio.sleep(LOOK_S)


class Leaking:
    """A venue whose events are kept in part, for as long as the process lives."""

    def __init__(self, exchange: Any, leaked: bytearray, size: int) -> None:
        self._exchange, self._leaked, self._size = exchange, leaked, size

    def __getattr__(self, name: str) -> Any:
        return getattr(self._exchange, name)

    async def liquidations(self, instruments: Any, sink: Any) -> None:
        await self._exchange.liquidations(instruments, Keeping(sink, self._leaked, self._size) if self._size else sink)


class Keeping:
    """The sink of a connection, that keeps some bytes of every event."""

    def __init__(self, sink: Any, leaked: bytearray, size: int) -> None:
        self._sink, self._leaked, self._bytes = sink, leaked, b"\x01" * size

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sink, name)

    def liquidation(self, connection: str, event: Any, received: int) -> None:
        self._leaked += self._bytes
        self._sink.liquidation(connection, event, received)


def publish(catalog: str, every: float) -> None:
    """Publishes again and again until stdin ends; a line of JSON after each."""
    from perptape.interval import SECOND
    from perptape.store.publish import Publisher
    from perptape.store.tape import Tape

    class Hastened(Publisher):
        keep = KEPT_S * SECOND

    tape = Tape.open(catalog)
    tape.publisher = Hastened
    over = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), over.set()), daemon=True).start()
    due, done = time.monotonic(), 0
    while not over.is_set():
        failed = [report.error for report in tape.publish() if report.error]
        done += not failed
        sys.stdout.write(json.dumps({"published": done, "failed": failed, "rss": rss(os.getpid())}) + "\n")
        sys.stdout.flush()
        due += every
        over.wait(max(0.0, due - time.monotonic()))


def rss(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    if sys.argv[1] == "--collect":
        asyncio.run(collect(sys.argv[2], sys.argv[3], sys.argv[6:], int(sys.argv[4]), float(sys.argv[5])))
    else:
        publish(sys.argv[2], float(sys.argv[3]))
