"""Whether a catalog of simulated venues is the truth, all of it: what a run that was killed and repeated is held against."""

from __future__ import annotations

from collections.abc import Mapping
from time import time_ns

from perptape.collect.report import Standing, standings
from perptape.store.catalog import StoreOptions
from perptape.store.tape import Tape
from support.simulator import Simulator


def whole(simulated: Simulator, location: str, contracts: Mapping[str, str], options: StoreOptions | None = None) -> None:
    """Asserts that everything obtainable when the last run began is there and everything claimed is true. `contracts`: venue with history
    -> the contract."""
    tape = Tape.open(location) if options is None else Tape.open(location, options=options)
    assert (found := tape.verify()) == [], found
    now = min(simulated.begun.values())
    for one in standings(tape, now):
        assert one.length("lost", "unproven") == 0, one
        assert one.length("open") == 0 or _over(one), one
    for venue, contract in contracts.items():
        (state,) = standings(tape, now, [venue], ["open_interest"])
        complete = [s.span for s in state.states if s.status == "complete"]
        rows = tape.read("open_interest", [state.instrument])
        got = dict(zip((t // 1_000_000 for t in rows["ts_event"].to_pylist()), rows["oi_base"].to_pylist(), strict=True))
        assert len(got) == rows.num_rows
        expected: dict[int, float] = {}
        for span in complete:
            expected |= simulated.open_interest(venue, contract, span.start, span.end)
        assert len(expected) > 500
        assert {time: got.get(time) for time in expected} == expected


def _over(one: Standing) -> bool:
    """Whether what is open is the slot that samples were due in when the run began, and that it ended before the venue was asked."""
    last = max(state.span.end for state in one.states if state.status == "open")
    return one.grid.startswith("sample/") and last <= time_ns() // 1_000_000
