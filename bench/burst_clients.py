"""The two clients of `burst`, each a process: our streamer, and the loop that CCXT's documentation shows.

python bench/burst_clients.py --streamer|--naive VENUE URL FOLDER CONTRACT…
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from random import SystemRandom
from typing import Any


async def streamer(venue: str, endpoint: str, folder: Path, contracts: list[str]) -> None:
    """Streams until told on stdin to stop; answers every word with a line of JSON."""
    from perptape.collect.live import LiveStream
    from perptape.collect.streams import TapeSegments
    from perptape.collect.together import settle_memory
    from perptape.exchanges.base import Access, origin_of
    from perptape.exchanges.registry import connect
    from perptape.store.logs import Logs
    from perptape.store.tape import Tape

    exchange = connect(venue, Access(endpoint=endpoint))
    instruments = [one for one in await exchange.instruments() if one.venue_id in contracts]
    tape = Tape.open(str(folder / "tape"))
    tape.prepare(origin_of(exchange), "nautilus1")
    disk = watched_disk(folder / "log-copy")
    live = LiveStream(
        exchange, instruments, logs=Logs(str(folder / "log"), disk), segments=TapeSegments(tape, wall), wants=lambda now, first: (),
        clock=wall, random=SystemRandom(),
    )  # fmt: skip
    settle_memory()
    stop = asyncio.Event()
    running = asyncio.create_task(live.run(stop))
    words = await asyncio.to_thread(sys.stdin.readline)
    while words.strip() != "stop":
        state = {"cpu": time.process_time(), "connected": live.report.connected, "events": live.report.counts.events}
        say(state | {"mono": time.monotonic()})
        words = await asyncio.to_thread(sys.stdin.readline)
    stop.set()
    report = await running
    await exchange.close()
    counts = {"events": report.counts.events, "malformed": report.counts.malformed, "reconnects": report.reconnects}
    say(counts | {"cpu": time.process_time(), "fsyncs": disk.seen, "complete": report.complete, "rss_kb": max_rss()})


def watched_disk(copy: Path) -> Any:
    """A disk that notes when which size of the log was durable, and keeps the log that the streamer removes."""
    from perptape.store.log_disk import LocalLogDisk
    from perptape.store.log_space import HEAD

    class Watched(LocalLogDisk):
        seen: list[tuple[float, int]] = []  # noqa: RUF012

        upto = 0

        def write_at(self, path: str, offset: int, data: bytes) -> None:
            super().write_at(path, offset, data)
            self.upto = max(self.upto, offset - HEAD + len(data))

        def fsync(self, path: str) -> None:
            super().fsync(path)
            self.seen.append((time.monotonic(), self.upto))

        def unlink(self, path: str) -> None:
            if path.endswith("records"):
                copy.write_bytes(self.read(path))
            super().unlink(path)

    return Watched()


async def naive(venue: str, endpoint: str, contracts: list[str]) -> None:
    """The documented loop, one task for each symbol."""
    import ccxt.pro as pro

    from perptape.exchanges.base import Access
    from perptape.exchanges.registry import connect

    ours = connect(venue, Access(endpoint=endpoint))
    symbols = [one.symbol for one in await ours.instruments() if one.venue_id in contracts]
    await ours.close()
    exchange = getattr(pro, {"binance": "binanceusdm"}.get(venue, venue))({"enableRateLimit": False})
    exchange.urls["api"] = elsewhere(exchange.urls["api"], endpoint, exchange.hostname)
    await exchange.load_markets()
    got = 0

    async def watch(symbol: str) -> None:
        nonlocal got
        while True:
            got += len(await exchange.watch_liquidations(symbol))

    tasks = [asyncio.create_task(watch(symbol)) for symbol in symbols]
    while (await asyncio.to_thread(sys.stdin.readline)).strip() != "stop":
        say({"cpu": time.process_time(), "connected": len(exchange.clients), "events": got, "mono": time.monotonic()})
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await exchange.close()
    say({"cpu": time.process_time(), "events": got})


def elsewhere(urls: Any, endpoint: str, hostname: str | None) -> Any:
    """The same URLs at another scheme and authority."""
    if isinstance(urls, Mapping):
        return {name: elsewhere(url, endpoint, hostname) for name, url in urls.items()}
    scheme, _, rest = str(urls).partition("://")
    path = "/".join(rest.split("/")[1:])
    return (endpoint.replace("http", "ws", 1) if scheme.startswith("ws") else endpoint) + ("/" + path if path else "")


def wall() -> int:
    return time.time_ns() // 1_000_000


def say(value: Any) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def max_rss() -> int:
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    if sys.argv[1] == "--streamer":
        asyncio.run(streamer(sys.argv[2], sys.argv[3], Path(sys.argv[4]), sys.argv[5:]))
    else:
        asyncio.run(naive(sys.argv[2], sys.argv[3], sys.argv[5:]))
