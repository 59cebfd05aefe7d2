"""What the commands say of streams' logs that nobody has brought into the tape yet."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from perptape.claims import STREAM, Claim, Want
from perptape.cli import venue_calls
from perptape.cli.unadopted import notes
from perptape.collect.mark_rules import Rules
from perptape.collect.stream_batch import Batch
from perptape.collect.stream_log import StreamLog
from perptape.collect.streams import adopted
from perptape.datasets import LIQUIDATIONS
from perptape.exchanges.registry import traits
from perptape.interval import MINUTE, SECOND
from perptape.store.catalog import Catalog
from perptape.store.log_left import Left
from perptape.store.log_place import logs_of
from perptape.store.log_record import Begun, Mark
from perptape.store.tape import Tape
from support.tapes import VENUES, name_of, write

Perptape = Callable[..., Any]


def dead(tape: Tape) -> Path:
    """Leaves a dead process' log of bybit beside a tape; its folder."""
    logs = logs_of(tape, None)
    assert logs is not None
    made = logs.create(Begun("a", "bybit", "liquidations", 0, {}, {}, LIQUIDATIONS.schema, logs.owner.store, logs.owner.origin), 2**16)
    assert made is not None
    made.release()
    return Path(logs.root, "a")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """The folder of a dead process' log in a tape that was just written."""
    tape = Tape.open(str(tmp_path / "tape"))
    list(write(tape, lambda: time.time_ns() // 10**6, "w", VENUES[:1], ["liquidations"]))
    return dead(tape)


@pytest.fixture
def heard(tmp_path: Path) -> Tape:
    """A tape of half an hour's liquidations on bybit: segments say the first 10 minutes, a dead process' log all the rest."""
    now = time.time_ns() // 10**6
    tape = Tape.open(str(tmp_path / "tape"))
    tape.prepare("live", "nautilus1")
    one, feed = name_of("bybit"), traits("bybit").feed
    assert feed is not None
    begin, rolled, end = now - 34 * MINUTE, now - 24 * MINUTE, now - 4 * MINUTE
    claims = [Claim(one, STREAM, feed.completeness, begin, rolled, "feed", begin, rolled, frozenset({"c"}))]
    wants = [Want("t:t", "s", one, STREAM, begin, end, end, "BTCUSDT-PERP")]
    tape.commit("bybit", "liquidations", None, claims, wants, "stream", lambda: now)
    logs = logs_of(tape, None)
    assert logs is not None
    log = StreamLog(logs, LIQUIDATIONS, "bybit", Rules.of(feed, [one]), opened=rolled, since={}, new_id=lambda: "dead", limit=2**20)
    marks = [Mark("acknowledged", "c", rolled - SECOND)]
    for at in range(rolled - SECOND, end + 10 * SECOND, SECOND):
        marks += [Mark("control", "c", at), Mark("feed", "c", at, one)]
    log.write(Batch(marks=marks))
    log._log.release()
    return tape


@pytest.mark.parametrize("command", ["status", "gaps"])
def test_of_a_log_that_is_brought_in_while_the_coverage_is_read_both_may_tell_and_not_neither(
    perptape: Perptape, heard: Tape, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    known = Catalog.known

    def meanwhile(self: Catalog, venue: str, dataset: str) -> Any:
        found = known(self, venue, dataset)
        if (venue, dataset) == ("bybit", "liquidations"):
            assert adopted(heard, None, venue_calls.environment()).logs == 1
        return found

    with monkeypatch.context() as patched:
        patched.setattr(Catalog, "known", meanwhile)
        found = perptape(command)
    assert "1 log of a stream whose process is dead" in found.err, found.out
    later = perptape("gaps", "-f", "json")
    assert (later.rows, later.err) == ([], "")


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


@pytest.mark.parametrize("damaged", [False, True])
def test_gaps_fail_while_what_shows_as_lost_may_be_in_a_log(perptape: Perptape, heard: Tape, tmp_path: Path, damaged: bool) -> None:
    records = tmp_path / "tape/perptape/log/dead/records"
    whole = records.read_bytes()
    if damaged:
        records.write_bytes(b"\xff" * 2**14 + whole[2**14 :])
    found = perptape("gaps", "--fail", "-f", "json")
    assert (found.code, [row["kind"] for row in found.rows]) == (1, ["lost"]), found.err
    assert perptape("gaps").code == 0
    records.write_bytes(whole)
    assert adopted(heard, None, venue_calls.environment()).logs == 1
    found = perptape("gaps", "--fail", "-f", "json")
    assert (found.code, found.rows, found.err) == (0, [], "")


SPEC = """
apiVersion: perptape.io/v1alpha1
kind: CollectionSpec
metadata: {{name: t}}
spec: {{venues: [{{exchange: {}}}], symbols: {{names: [BTCUSDT-PERP]}}, collect: {{{}}}, store: {{persistentVolumeClaim: {{}}}}}}
"""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), True),
        (("-e", "bybit"), True),
        (("-e", "binance"), False),
        (("-e", "binance,bybit", "--dataset", "liquidations"), True),
        (("--dataset", "funding"), False),
    ],
)
@pytest.mark.parametrize("command", ["status", "gaps"])
def test_of_a_log_is_told_who_asks_for_what_may_be_in_it(
    perptape: Perptape, heard: Tape, command: str, words: tuple[str, ...], said: bool
) -> None:
    found = perptape(command, *words)
    assert ("log of a stream" in found.err) is said, found.err
    assert command != "gaps" or perptape("gaps", "--fail", *words).code == said


@pytest.mark.parametrize(
    ("file", "venue", "collect", "said"),
    [
        ("new", "bybit", "liquidations: {}, funding: {}", True),
        ("new", "binance", "liquidations: {}, funding: {}", False),
        ("new", "bybit", "funding: {}", False),
        ("t", "binance", "funding: {}", True),  # it wanted the other before: that is shown
    ],
)
def test_of_a_log_is_told_who_asks_what_a_file_wants_that_may_be_in_it(
    perptape: Perptape, heard: Tape, tmp_path: Path, file: str, venue: str, collect: str, said: bool
) -> None:
    (tmp_path / file).write_text(SPEC.format(venue, collect))
    found = perptape("gaps", file)
    assert ("log of a stream" in found.err) is said, found.err
    assert (name_of("bybit") in found.out) is (file == "t"), "the holes of what this file wants, and of no other"


def test_a_log_that_cannot_be_read_may_be_of_any_venue(perptape: Perptape, log: Path) -> None:
    (log / "records").write_bytes(b"\xff" * 2**14 + (log / "records").read_bytes()[2**14 :])
    assert "the log a cannot be read" in perptape("gaps", "-e", "okx").err
    assert "the log a cannot be read" not in perptape("gaps", "--dataset", "funding").err


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("query", "liquidations", "BTCUSDT-LINEAR.BYBIT", "-e", "bybit"), True),
        (("query", "liquidations", "BTCUSDT-PERP.BINANCE", "-e", "binance"), False),
        (("sql", "select count(*) from liquidations"), True),
        (("sql", "select count(*) from funding"), False),
    ],
)
def test_who_reads_liquidations_is_told_of_rows_that_wait_in_a_log(
    perptape: Perptape, tmp_path: Path, command: tuple[str, ...], said: bool
) -> None:
    tape = Tape.open(str(tmp_path / "tape"))
    list(write(tape, lambda: time.time_ns() // 10**6, "w", VENUES[:2], ["liquidations"]))
    dead(tape)
    done = perptape(*command)
    assert done.code == 0
    assert ("the rows of it are not among these" in done.err) is said


def test_how_many_there_are() -> None:
    one, two = notes(Left("R", "K", ("a",), (), ("K/x",))), notes(Left("R", "K", ("a", "b"), (), ("K/x", "K/y")))
    assert [line.split(" in R")[0].split(" in K")[0] for line in [*one, *two]] == [
        "1 log of a stream whose process is dead is",
        "1 damaged log is kept",
        "2 logs of streams whose processes are dead are",
        "2 damaged logs are kept",
    ]
    assert notes(Left("R", "K")) == []
