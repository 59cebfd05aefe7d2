"""What the commands say of streams' logs that nobody has brought into the tape yet."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from perptape.cli.unadopted import notes
from perptape.datasets import LIQUIDATIONS
from perptape.store.log_left import Left
from perptape.store.log_place import logs_of
from perptape.store.log_record import Begun
from perptape.store.tape import Tape
from support.tapes import VENUES, write

Perptape = Callable[..., Any]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """The folder of a dead process' log in a tape that was just written."""
    tape = Tape.open(str(tmp_path / "tape"))
    list(write(tape, lambda: time.time_ns() // 10**6, "w", VENUES[:1], ["liquidations"]))
    logs = logs_of(tape, None)
    assert logs is not None
    made = logs.create(Begun("a", "bybit", "liquidations", 0, {}, {}, LIQUIDATIONS.schema, logs.owner.store, logs.owner.origin), 2**16)
    assert made is not None
    made.release()
    return Path(logs.root, "a")


@pytest.mark.parametrize("command", [("status",), ("gaps",), ("verify",)])
def test_a_log_that_waits_is_said_and_stays(perptape: Perptape, log: Path, command: tuple[str, ...]) -> None:
    found = perptape(*command)
    assert found.code == 0, found.err
    assert found.err.count("1 log of a stream whose process is dead") == 1
    assert str(log.parent) in found.err
    assert "`perptape stream-liquidations --store` brings it in" in found.err
    assert (log / "records").exists()


@pytest.mark.parametrize(("command", "code"), [(("status",), 0), (("gaps",), 0), (("verify",), 1), (("verify", "--repair"), 1)])
def test_a_log_that_cannot_be_read_is_said_with_what_to_do(perptape: Perptape, log: Path, command: tuple[str, ...], code: int) -> None:
    damaged = b"\xff" * 2**14 + (log / "records").read_bytes()[2**14 :]
    (log / "records").write_bytes(damaged)
    found = perptape(*command)
    assert found.code == code, found.err
    said = found.out + found.err
    assert said.count("the log a cannot be read: its beginning is damaged") == 1, said
    assert "move its folder away" in said
    assert "as it should be" not in found.err.replace("not as it should be", "")
    assert (log / "records").read_bytes() == damaged


def test_how_many_there_are() -> None:
    one, two = notes(Left("R", "K", ("a",), (), ("K/x",))), notes(Left("R", "K", ("a", "b"), (), ("K/x", "K/y")))
    assert [line.split(" in R")[0].split(" in K")[0] for line in [*one, *two]] == [
        "1 log of a stream whose process is dead is",
        "1 damaged log is kept",
        "2 logs of streams whose processes are dead are",
        "2 damaged logs are kept",
    ]
    assert notes(Left("R", "K")) == []
