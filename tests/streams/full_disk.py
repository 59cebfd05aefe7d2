"""A stream's log on a disk that others have filled: a process writes frames of one length until it takes no more, and is killed; the
next one brings in what it finds. Run by test_reserve in a mount namespace of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import Any

import pyarrow as pa

from perptape.collect.mark_rules import Rules
from perptape.collect.stream_adopt import adopt
from perptape.collect.stream_batch import Batch
from perptape.collect.stream_log import StreamLog
from perptape.datasets.liquidations import LIQUIDATIONS, row
from perptape.errors import Unwritable
from perptape.exchanges.registry import traits
from perptape.raw import RawLiquidation
from perptape.store.log_disk import LocalLogDisk
from perptape.store.log_record import Mark
from perptape.store.logs import Logs

from support.fake_exchange import START, perpetual  # isort: skip

ROWS = 50


def write_until_full(folder: str, reserve: int) -> dict[str, Any]:
    """How many frames are durable, how long each is, and what the disk and the log said in the end."""
    one, feed = perpetual(traits("binance")), traits("binance").feed
    assert feed is not None
    log = StreamLog(
        Logs(f"{folder}/log", LocalLogDisk()), LIQUIDATIONS, "binance", Rules.of(feed, [one.id]), opened=START, since={},
        new_id=lambda: "one", limit=reserve,
    )  # fmt: skip
    refused = None
    while refused is None:
        try:
            with open(f"{folder}/others", "ab", buffering=0) as others:
                others.write(bytes(4096))
        except OSError as error:
            refused = error.errno
    frames, begun = 0, log.used
    while True:
        time = START + frames
        event = RawLiquidation(one, time, "SELL", "60000", None, "0.5")
        rows = [row(event, "base", number, time * 1_000_000) for number in range(ROWS)]
        try:
            log.write(Batch(rows, [Mark("control", "c", time)]))
        except Unwritable as error:
            return {"frames": frames, "length": (log.used - begun) / frames, "begun": begun, "disk": refused, "log": error.reason}
        frames += 1


class Counted:
    """A store elsewhere, of which only the number of rows matters."""

    rows = 0

    def put(self, name: str, venue: str, dataset: str, rows: pa.Table, claims: Any, wants: Any) -> None:
        self.rows += rows.num_rows


def main(folder: str, reserve: int) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={2 * reserve}", "tmpfs", folder], check=True)
    reading, writing = os.pipe()
    if not os.fork():
        os.write(writing, json.dumps(write_until_full(folder, reserve)).encode())
        os.kill(os.getpid(), signal.SIGKILL)
    os.wait()
    said, store = json.loads(os.read(reading, 4096)), Counted()
    found = adopt(Logs(f"{folder}/log", LocalLogDisk()), store)
    sys.stdout.write(json.dumps(said | {"rows": store.rows, "waiting": found.waiting, "left": os.listdir(f"{folder}/log")}) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
