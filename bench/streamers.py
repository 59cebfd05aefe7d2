"""Streamers killed at random moments of a burst: one of two, of which nothing may be missing, and one alone, whose holes are measured.

    python bench/streamers.py [--seconds 150] [--rate 800] [--alone 20] [--seed N]

The streamers are `perptape run` as pods start it, of one simulated venue (Bybit), over one folder; the next one has another name.
Of two, one is killed by SIGKILL while the other is ready, as a rollout or a node's end leaves it. Truth is the simulator's record
of what it sent on each connection and when, by the venue's clock.

One alone, at each kill: what it was sent a second before is in the tape; one hole `lost: process down` begins within a second of
the last mark in its log (a message of the control topic) less the push interval, and ends within a second of the first such
message to its successor.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from measure import against, at_least, compiled, load, say
from streamer import UNSAID, VENUE, Event, Streamer, burst, holes_until, push_ms, sent_to, stored, streaming

from perptape.interval import SECOND, Interval
from perptape.store.log_disk import LocalLogDisk
from perptape.store.log_record import Marks
from perptape.store.log_space import Ring
from perptape.store.tape import Tape
from perptape_api import names
from support.simulator import Simulator, simulator

AT_LEAST = 100_000
"""Events of the burst under which one of two is killed."""
PER_FRAME = 4
RATE_ALONE = 200
READY_S = 60.0
UNPROVEN_S = 4.0
"""What dies takes the proof of its last seconds with it (Bybit's push interval, one write to the log, one look whether the other was
ready), though not the events: where the other one's proof begins later, nothing proves the time between."""
SETTLED_S = 3.0
"""Of listening before a kill: a hole of its own, and something in the log to measure."""


class Pods:
    """Streamers of one spec in a cluster: all want since the same moment."""

    def __init__(self, venues: Simulator, catalog: Path, stack: ExitStack) -> None:
        self._venues, self._catalog, self._stack, self._made = venues, catalog, stack, 0
        since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        self._environ = {names.ENV_NAMESPACE: "default", names.ENV_SESSION: "work", names.ENV_WANTED_SINCE: since}

    def start(self) -> Streamer:
        self._made += 1
        return self._stack.enter_context(streaming(self._venues, str(self._catalog), f"streamer-{self._made}", self._environ))


def killed(one: Streamer) -> None:
    one.process.kill()
    one.process.wait()


def of_two(venues: Simulator, folder: Path, seconds: float, rate: int, chance: random.Random) -> bool:
    """One of two is killed again and again; the other one is ready at that moment."""
    kills, early = 0, list[int]()
    with ExitStack() as stack:
        pods = Pods(venues, folder / "two", stack)
        both, since = [pods.start(), pods.start()], [0.0, 0.0]
        for place, one in enumerate(both):
            one.until(one.ready, READY_S, "ready")
            since[place] = time.monotonic()
        burst(venues, rate, seconds, PER_FRAME)
        end = time.monotonic() + seconds
        while (pause := chance.uniform(0, 4)) + time.monotonic() < end - 1:
            time.sleep(pause)
            whom = chance.randrange(2)
            if time.monotonic() - since[1 - whom] < UNPROVEN_S:
                early.append(venues.now(VENUE))
            killed(both[whom])
            kills += 1
            both[whom] = pods.start()
            both[whom].until(both[whom].ready, READY_S, "ready again")
            since[whom] = time.monotonic()
        time.sleep(max(0.0, end + 2 - time.monotonic()))
        codes = [one.end() for one in both]
    tape = Tape.open(str(folder / "two"))
    sessions = connections(venues)
    got, sent = stored(tape), sent_to(sessions)
    found = holes_until(tape, min(session["closed"] for session in sessions[-2:]) - UNSAID)
    say(f"one of two: {kills} kills in {seconds:g} s of {rate} events/s; {sent.total()} events sent, {got.total()} in the tape; {load()}")
    good = at_least("events sent", sent.total(), AT_LEAST, "", "by the simulator's record, each once")
    good &= against("events lost", (sent - got).total(), 0, "", f"of {sent.total()}, one of two killed {kills} times")
    good &= against("events that are there twice, or were never sent", (got - sent).total(), 0, "", "of the tape")
    good &= against("holes", len(found), len(early), "", f"the limit: kills when the other was ready for less than {UNPROVEN_S:g} s")
    odd = [one for one in found if not of_kill(*one, early)]
    good &= against("holes that are of another reason, longer, or of no such kill", len(odd), 0, "", f"{UNPROVEN_S:g} s at most: {odd}")
    return against("exit codes", sum(codes), 0, "", "of the last two, told to end") and good


def of_kill(span: Interval, reason: str, kills: list[int]) -> bool:
    """Whether a hole is what one of these kills (ms) may leave: the last proof of what died, up to the first of the other one."""
    room = round(UNPROVEN_S * SECOND)
    return reason == "process down" and len(span) <= room and any(span.start - room <= at <= span.end + room for at in kills)


def connections(venues: Simulator) -> list[dict[str, Any]]:
    """Those that were subscribed, in the order of their beginning."""
    found = [one for one in venues.control("GET", "truth", venue=VENUE) if one["subscriptions"]]
    return sorted(found, key=lambda one: int(one["opened"]))


def last_mark(catalog: Path) -> int:
    """The newest control message that a dead streamer's log has, ms on the venue's clock."""
    (path,) = catalog.glob("perptape/log/*/records")
    ring = Ring.found(LocalLogDisk(), str(path))
    assert ring is not None
    records, _ = ring.read()
    return max(mark.time for record in records if isinstance(record, Marks) for mark in record.marks if mark.kind == "control")


def alone(venues: Simulator, folder: Path, kills: int, chance: random.Random) -> bool:
    catalog, deaths, marks = folder / "one", list[int](), list[int]()
    with ExitStack() as stack:
        pods = Pods(venues, catalog, stack)
        one = pods.start()
        one.until(one.ready, READY_S, "ready")
        burst(venues, RATE_ALONE, kills * 20, PER_FRAME)
        for _ in range(kills):
            time.sleep(SETTLED_S + chance.uniform(0, 3))
            deaths.append(venues.now(VENUE))
            killed(one)
            marks.append(last_mark(catalog))
            one = pods.start()
            one.until(one.ready, READY_S, "ready again")
        time.sleep(SETTLED_S)
        code = one.end()
    tape = Tape.open(str(catalog))
    got = stored(tape)
    sessions = connections(venues)
    found = holes_until(tape, sessions[-1]["closed"] - UNSAID)
    holes = [span for span, reason in found if reason == "process down"]
    say(f"one alone: {kills} kills, {RATE_ALONE} events/s; {sent_to(sessions).total()} events sent, {got.total()} in the tape; {load()}")
    good = against("connections", len(sessions), kills + 1, "", "one of each process")
    good &= against("holes that are no `process down`", len(found) - len(holes), 0, "", "of the time since")
    good &= against("holes more or less than kills", abs(len(holes) - kills), 0, "", f"of {kills}")
    good &= against("never sent, or twice", (got - sent_to(sessions)).total(), 0, "", "of the tape")
    missing = sum((lost(session, death, got) for session, death in zip(sessions, deaths, strict=False)), Counter[Event]())
    good &= against(
        "events sent a second before a kill that are missing", missing.total(), 0, "", "of those on the connection that it ended"
    )
    for name, off in (("start", starts(holes, marks)), ("end", ends(holes, sessions))):
        good &= against(
            f"a hole's {name} off its mark, the farthest", max(off, default=0), SECOND, "ms", f"mean {sum(off) / max(len(off), 1):.0f}"
        )
    return against("exit code", code, 0, "", "of the last one, told to end") and good


def lost(session: dict[str, Any], death: int, got: Counter[Event]) -> Counter[Event]:
    return sent_to([session], before=death - SECOND) - got


def starts(holes: list[Interval], marks: list[int]) -> list[int]:
    return [abs(hole.start - (mark - push_ms())) for hole, mark in zip(holes, marks, strict=False)]


def ends(holes: list[Interval], sessions: list[dict[str, Any]]) -> list[int]:
    """From the first control message of each successor, by the simulator's record."""
    first = [min(topic["first"] for topic in session["control"].values()) for session in sessions[1:]]
    return [abs(hole.end - spoke) for hole, spoke in zip(holes, first, strict=False)]


def parts(seconds: float, rate: int, kills: int, chance: random.Random) -> Iterator[bool]:
    for part in ("two", "alone"):
        with tempfile.TemporaryDirectory(prefix="perptape-streamers-") as name:
            folder = Path(name)
            with simulator(folder, "-e", VENUE, "--unlimited") as venues:
                yield of_two(venues, folder, seconds, rate, chance) if part == "two" else alone(venues, folder, kills, chance)


def main() -> int:
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--seconds", type=float, default=150.0, help="of the burst under which one of two is killed")
    options.add_argument("--rate", type=int, default=800, help="events a second of it")
    options.add_argument("--alone", type=int, default=20, help="kills of one alone")
    options.add_argument("--seed", type=int, default=0, help="of the moments")
    chosen = options.parse_args()
    compiled()
    say(f"moments of seed {chosen.seed}")
    return 0 if all(list(parts(chosen.seconds, chosen.rate, chosen.alone, random.Random(chosen.seed)))) else 1


if __name__ == "__main__":
    sys.exit(main())
