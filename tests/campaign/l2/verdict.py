"""What came of a schedule of the second layer, held against what its venue says was sent.

Times are seconds of this machine unless they are called the venue's.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from campaign.judge import Judge
from campaign.l2.served import ServedFeed, connections, market
from campaign.stream_judge import StreamJudge
from perptape.datasets import DATASETS
from perptape.interval import SECOND
from perptape.simulation.weather import faults_of
from perptape.store import layout
from perptape.store.segment import decode_segment
from perptape.store.tape import Tape
from support.simulator import Simulator

if TYPE_CHECKING:
    from campaign.l2.life import Life

GRACE = 1.0
"""After a 418 or 429: what was on its way by then, or read it late."""
PATIENCE = 1.0
"""The venue's seconds within which an answer finds who asked: later, another call's failure may have ended those beside it."""
FLUSHED = 1.0
"""After so long what was received is in the log: the machine may be busy."""
BEGUN = 10.0
"""Seconds of this machine within which a process listens: it imports CCXT, beside others."""


def judged(life: Life) -> None:
    """Adds what went wrong to a life's findings, and what was met, while its venue is still served."""
    simulated = life.simulated
    schedule = life.schedule
    for fault in simulated.control("GET", "weather"):
        life.met[fault["kind"]] += fault["hits"]
    tape = Tape.open(str(life.catalog))
    bases = ("BTC", "ETH")[: schedule.instruments]
    known = [seen.instrument for seen in tape.instruments(schedule.venue)]
    wanted = {want.instrument for dataset in DATASETS for want in tape.coverage(schedule.venue, dataset).wants}
    mine = [one for one in known if one.id in wanted and one.base in bases]
    in_venue_time = schedule.within(schedule.storm * life.factor)
    served = market(simulated, in_venue_time, life.start, mine)
    sessions = simulated.control("GET", "truth", venue=schedule.venue)
    (life.folder / "sent.json").write_text(json.dumps(sessions))
    (life.folder / "asked.json").write_text(json.dumps(simulated.control("GET", "requests", venue=schedule.venue)))
    feed = ServedFeed(served, connections(served, sessions, life.lived, life.factor), in_venue_time.faults)
    streams = StreamJudge(served, feed, life.lived, flushed=FLUSHED * life.factor, open_longer=life.factor, near=BEGUN * life.factor)
    judge = Judge(served, streams, brief=True)
    for entry in tape.fs.list(layout.SEGMENTS):
        _, dataset = layout.venue_and_dataset(entry.path)
        if dataset in DATASETS:
            segment = decode_segment(tape.fs.read(entry.path).data, entry.path, DATASETS[dataset].schema)
            judge.committing(dataset, segment.rows, segment.claims)
            judge.committed(dataset, segment.rows)
    judge.last(tape, life.asked_last)
    life.findings += [*judge.findings, *hasty(life, simulated), *fallen(life)]
    life.unseen = judge.excused


def fallen(life: Life) -> list[str]:
    """Processes that ended in a way that nobody meant."""
    found = []
    for one in life.lived:
        said = (life.folder / f"{one.name}.log").read_text()
        if "Traceback" in said:
            found.append(f"{one.name} fell over: {said[said.index('Traceback') :][-400:]!r}")
    return found


def hasty(life: Life, simulated: Simulator) -> list[str]:
    """Calls and connections in spite of a pause that the venue had demanded of everybody."""
    calls = simulated.control("GET", "requests", venue=life.schedule.venue)
    dials = [one["opened_mono"] for one in simulated.control("GET", "truth", venue=life.schedule.venue, events=0)]
    found = []
    for refused in calls:
        unread = (refused["done_mono"] - refused["at_mono"]) * life.factor > PATIENCE
        if refused["status"] not in (418, 429) or unread:
            continue
        pause = pause_of(life, refused["at"], str(refused["status"]))
        start, end = refused["done_mono"] + GRACE, refused["done_mono"] + pause / life.factor - 0.05
        early = [at for at in (*(one["at_mono"] for one in calls), *dials) if start < at < end]
        if early:
            said = f"{len(early)} calls in spite of a {refused['status']} that demanded {pause:.0f} s, the first"
            found.append(f"{said} {(early[0] - refused['done_mono']) * life.factor:.0f} s after it")
    return found[:1]


def pause_of(life: Life, at: int, kind: str) -> float:
    """What the venue demanded then, its seconds; of several faults the least."""
    since = (at - life.start) / SECOND / life.factor
    under = [one for one in life.schedule.faults if one.kind == kind and one.touches(since, since + 0.01, 0.2, 0.2)]
    return min((faults_of(life.schedule.venue, one, life.factor)[0].retry_after or 0 for one in under), default=0)
