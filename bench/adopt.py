"""How much memory the adoption of a dead process' full log takes, of several reserves.

`python -m bench adopt [--reserves=64,256]` (MiB). A process fills a log with what a burst brings, half a second in a record, while the
store takes nothing, and dies; `rolled`: after it has rolled all of that at once, as when the store was back. Another one brings it into
a folder: ru_maxrss at its end, less what it was before.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import sys
import tempfile
import time
from pathlib import Path
from random import Random

from measure import against, say

from perptape.collect.mark_rules import Rules
from perptape.collect.stream_adopt import adopt
from perptape.collect.stream_batch import Batch
from perptape.collect.stream_log import StreamLog
from perptape.collect.streams import TapeSegments
from perptape.datasets.liquidations import LIQUIDATIONS, row
from perptape.errors import Unwritable
from perptape.exchanges.registry import traits
from perptape.raw import RawLiquidation
from perptape.store.log_disk import LocalLogDisk
from perptape.store.log_record import Mark, Owner
from perptape.store.logs import Logs
from perptape.store.tape import Tape
from support.fake_exchange import START, perpetual

MIB = 2**20
FRAME = 500
"""Events of half a second."""
LIMIT_MIB = 200
"""What is left of a pod's 512 MiB beside its venues and libraries, and streams that already receive."""


def fill(folder: str, reserve: int, rolled: bool) -> None:
    """Until the log takes no more."""
    own, chance = traits("binance"), Random(1)
    coins = [perpetual(own, f"C{number}") for number in range(100)]
    assert own.feed is not None
    rules = Rules.of(own.feed, [one.id for one in coins])
    log = StreamLog(logs(folder), LIQUIDATIONS, "binance", rules, opened=START, since={}, new_id=lambda: "one", limit=reserve)
    log.write(Batch([], [Mark("acknowledged", "c", START)]))
    now = START
    while True:
        now += 500
        rows = []
        for at in range(now - FRAME, now):
            price, quantity = f"{1 + chance.random() * 50_000:.2f}", f"{1 + chance.random():.4f}"
            rows.append(row(RawLiquidation(chance.choice(coins), at, "SELL", price, None, quantity), "base", 0, (at + 50) * 1_000_000))
        try:
            log.write(Batch(rows, [Mark("control", "c", now), Mark("feed", "c", now)]))
        except Unwritable:
            break
    if rolled:
        log.roll(now, ())
    os._exit(0)


def bring_in(folder: str, said: multiprocessing.Queue[tuple[int, int, float]]) -> None:
    tape = Tape.open(folder)
    before, began = peak(), time.monotonic()
    found = adopt(logs(folder), TapeSegments(tape, lambda: START))
    assert not found.waiting
    said.put((found.rows, peak() - before, time.monotonic() - began))


def logs(folder: str) -> Logs:
    return Logs(f"{folder}/perptape/log", LocalLogDisk(), Owner("", "live"))


def peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--reserves", default="64,256")
    reserves, good = [int(one) for one in parser.parse_args().reserves.split(",")], True
    context = multiprocessing.get_context("spawn")
    for reserve in reserves:
        for rolled in (False, True):
            with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
                Tape.open(folder).prepare("live", "nautilus1")
                writer = context.Process(target=fill, args=(folder, reserve * MIB, rolled))
                writer.start()
                writer.join()
                said = context.Queue()
                reader = context.Process(target=bring_in, args=(folder, said))
                reader.start()
                rows, more, took = said.get(timeout=600)
                reader.join()
                segments = len(list(Path(folder).glob("perptape/segments/*/*/*")))
                how = f"{rows} rows in {segments} segments, {took:.1f} s"
                name = f"adopting a full log of {reserve} MiB{', rolled at its end' if rolled else ''}"
                good &= against(name, more / MIB, LIMIT_MIB, "MiB", how)
    return 0 if good else 1


if __name__ == "__main__":
    say("adopting full logs")
    sys.exit(main())
