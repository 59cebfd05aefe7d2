"""Whether a catalog of simulated venues is the truth, all of it: what a run that was killed and repeated is held against."""

from __future__ import annotations

from collections.abc import Mapping

from perptape.collect.report import standings
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
        assert one.length("open", "lost", "unproven") == 0, one
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
