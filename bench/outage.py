"""What a streamer keeps while its store is away, and while its disk is full: ten minutes of each, during a burst.

    python bench/outage.py [--minutes 10] [--only s3|disk] [--rate 600] [--reserve 8388608]

The streamer is `perptape run` as a pod starts it, of one simulated venue (Bybit), which sends a burst of frames of one length all the
while. S3: MinIO is ended, and started again over the same folder. Disk: catalog and log are on a small file system that somebody else
fills, and empties again (needs root or user namespaces: `unshare`, `mount`). Neither is helped by a hand.

Judged by the simulator's record of what was sent: what had room is in the tape once, what had none is within one hole `lost: disk full`,
nothing else is missing. What had room: the reserve's bytes, within one write to the log (the largest that was seen before). A process that
lives keeps some more events in memory until there is room again, and drops only what comes after them; the hole begins where the log ended,
or, where it can go on later (another life of the log waits for the store), where memory did.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from measure import against, at_least, compiled, load, say
from streamer import UNSAID, VENUE, Streamer, burst, holes_until, push_ms, sent_to, stored, streaming

from perptape.interval import Interval
from perptape.store.tape import Tape
from perptape_api import names
from support import minio
from support.simulator import Simulator, simulator

TOLD_S = 60.0
"""How long until the status tells of the trouble, and until it is over after the store's (the disk's) return."""
POD_MIB = 512.0
"""What the operator allows a pod of the worker."""
PER_FRAME = 3
EDGE_MS = 3_000.0
"""A write a second, a look at the figures five times a second, and a control message."""
BEFORE_S, AFTER_S = 75.0, 75.0
"""Of the burst, on both sides of the trouble: a segment is put once a minute."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Where the tape is, and how the trouble begins and ends."""

    name: str
    catalog: str
    environ: Mapping[str, str]
    options: Any
    begin: Callable[[], None]
    end: Callable[[], None]


@contextmanager
def store_away(folder: Path) -> Iterator[Trouble]:
    """A bucket of a MinIO that can be ended and started again."""
    (folder / "data").mkdir()
    server = minio.Minio(f"http://127.0.0.1:{minio.free_port()}", "outage-access", "outage-secret-key")
    port = int(server.endpoint.rpartition(":")[2])

    with ExitStack() as servers:

        def start() -> None:
            keeper = servers.enter_context(minio.process(minio.program(), folder, port, server))
            if not minio.ready(server, keeper, time.monotonic() + minio.READY_WITHIN):
                raise SystemExit("MinIO does not start")

        start()
        yield Trouble("S3 away", f"s3://{server.bucket()}/tape", server.environ(), server.options(), servers.close, start)


@contextmanager
def disk_full(folder: Path, reserve: int) -> Iterator[Trouble]:
    """A small file system in this process' own mount namespace, with room for the tape until others fill it."""
    small = folder / "disk"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={reserve + 128 * 2**20}", "tmpfs", str(small)], check=True)

    def begin() -> None:
        with (small / "others").open("wb", buffering=0) as others:
            try:
                while others.write(bytes(4096)):
                    pass
            except OSError:
                return

    try:
        yield Trouble("disk full", str(small / "tape"), {}, None, begin, (small / "others").unlink)
    finally:
        subprocess.run(["umount", "--lazy", str(small)], check=True)


def largest_write(one: Streamer, seconds: float) -> float:
    """The most that one write added to the log: looked at more often than it is written to."""
    end, seen, most = time.monotonic() + seconds, one.figures()["log_bytes"], 0.0
    while time.monotonic() < end:
        time.sleep(0.1)
        now = one.figures()["log_bytes"]
        most, seen = max(most, now - seen), now
    return most


def peak_mib(one: Streamer) -> float:
    (kib,) = re.findall(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{one.process.pid}/status").read_text())
    return int(kib) / 1024


def through(trouble: Trouble, venues: Simulator, minutes: float, rate: int, reserve: int) -> bool:
    with streaming(venues, trouble.catalog, "outage-0", {**trouble.environ, names.ENV_LOG_RESERVE: str(reserve)}) as one:
        one.until(one.ready, 60, "listening")
        burst(venues, rate, BEFORE_S + minutes * 60 + TOLD_S + AFTER_S, PER_FRAME)
        time.sleep(BEFORE_S)
        say(
            f"{trouble.name}: {minutes:g} minutes of it, {rate} events/s, {PER_FRAME} to a frame, reserve {reserve / 2**20:g} MiB; {load()}"
        )
        trouble.begin()
        began = time.monotonic()
        told = one.until(lambda: any(one.told()), 2 * TOLD_S, "the trouble is told")
        batch = largest_write(one, 10)
        one.until(lambda: one.figures()["log_failing"] == 1, minutes * 60, "the log is full")
        filled = venues.now(VENUE)
        time.sleep(max(0.0, began + minutes * 60 - time.monotonic()))
        used, full, words = one.figures()["log_bytes"], one.figures()["log_failing"] == 1, one.told()
        trouble.end()
        back = venues.now(VENUE)
        calm = one.until(
            lambda: (seen := one.figures())["segments_waiting"] == 0 and not seen["log_failing"] and not any(one.told()),
            10 * TOLD_S,
            "recovery",
        )
        edges = Interval(filled - push_ms(), back), venues.now(VENUE)
        dropped, memory = one.figures()["overflowed_total"], peak_mib(one)
        time.sleep(AFTER_S)
        code = one.end()
    say(f"  told as: {' | '.join(filter(None, words))}")
    good = against("until the status tells it", told, TOLD_S, "s", "after it began")
    good &= against("until it is over", calm, TOLD_S, "s", "after its end: all is in the store, and the status says nothing more of it")
    good &= against("exit code", code, 0, "", "of the streamer, told to end")
    good &= at_least("the log was full", full, 1, "", f"{used:.0f} of {reserve} bytes: more minutes or events fill a larger reserve")
    good &= against("room left in the log then", reserve - used, batch, "bytes", "the limit is the largest write to it that was seen")
    good &= at_least("events that found no room, by its own count", dropped, 1, "", "more minutes or events fill log and memory")
    good &= against("resident memory at the most", memory, POD_MIB, "MiB", "the limit is a pod's: what waits for the log waits there")
    return judged(trouble, venues, dropped, *edges) and good


def judged(trouble: Trouble, venues: Simulator, dropped: float, full: Interval, calm: int) -> bool:
    """Whether the tape is what was sent, but for one hole: from the last mark before the log was `full`, or the memory for what waits for
    it too, less the push interval, to the first one after the trouble's end, by when all was `calm`."""
    tape = Tape.open(trouble.catalog) if trouble.options is None else Tape.open(trouble.catalog, options=trouble.options)
    got = stored(tape)
    sessions = venues.control("GET", "truth", venue=VENUE)
    sent = sent_to(sessions)
    last = max(session["closed"] for session in sessions) - 1000
    lost = holes_until(tape, last - UNSAID)
    holes = [span for span, _ in lost]
    missing = Counter({one: count for one, count in (sent - got).items() if one[0] < last})
    outside = [one for one in missing if not any(span.start <= one[0] < span.end for span in holes)]
    say(f"  {sent.total()} events sent, {got.total()} in the tape; holes: {[(len(span), reason) for span, reason in lost]} (ms)")
    good = against("events that were never sent, or are there twice", (got - sent).total(), 0, "", "of the tape")
    good &= against("missing events outside of the hole", len(outside), 0, "", f"of {missing.total()} missing ones")
    good &= against("dropped by its own count, but in the tape, or the other way round", abs(dropped - missing.total()), 0, "", "events")
    good &= against("holes", len(lost), 1, "", "all of them `lost`")
    good &= at_least("of them `disk full`", sum(reason == "disk full" for _, reason in lost), len(lost) or 1, "", "the reason")
    start, end = (lost[0][0].start, lost[-1][0].end) if lost else (0, 0)
    full_then = (full.start, min(missing)[0] - push_ms() if missing else 0)
    off = min(abs(start - then) for then in full_then)
    good &= against("the hole's start off the moment when the log, or memory too, was full", off, EDGE_MS, "ms", "less the push interval")
    beyond = max(full.end - end, end - calm, 0)
    good &= against(
        "the hole's end outside of the recovery", beyond, EDGE_MS, "ms", "from the store's (the disk's) return until all was over"
    )
    good &= against("what verify finds", len(tape.verify()), 0, "", "of the whole tape")
    return good


def carried_out(only: str, minutes: float, rate: int, reserve: int) -> bool:
    with tempfile.TemporaryDirectory(prefix="perptape-outage-") as name:
        folder = Path(name)
        with simulator(folder, "-e", VENUE, "--unlimited") as venues:
            opened = store_away(folder) if only == "s3" else disk_full(folder, reserve)
            with opened as trouble:
                return through(trouble, venues, minutes, rate, reserve)


def main() -> int:
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--minutes", type=float, default=10.0)
    options.add_argument("--only", choices=("s3", "disk"))
    options.add_argument("--rate", type=int, default=600, help="events a second")
    options.add_argument("--reserve", type=int, default=8 * 2**20, help="bytes that the log owns")
    chosen = options.parse_args()
    if not chosen.only:
        compiled()
        again = [sys.executable, __file__, *sys.argv[1:], "--only"]
        apart = ["unshare", "--user", "--map-root-user", "--mount"]  # a file system of its own, seen by nobody else
        done = [subprocess.run(command, check=False).returncode for command in ([*again, "s3"], [*apart, *again, "disk"])]
        return max(done)
    return 0 if carried_out(chosen.only, chosen.minutes, chosen.rate, chosen.reserve) else 1


if __name__ == "__main__":
    sys.exit(main())
