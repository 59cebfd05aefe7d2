"""Holds what the tape says against what is true of the market.

At each commit: the claims of a segment are proven by its own rows. After a loss of power, and after each publisher whom something befell:
what a commit had returned for is there. In the end: every claim is true, nothing is there twice or was never sent, everything obtainable
is there, and reasons of holes are true.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import pyarrow as pa

from campaign.market import BACKFILL, Market
from campaign.rows import Values, by_instrument, differing, hull, keys, said
from campaign.stream_judge import StreamJudge, events_of
from perptape.claims import SETTLED, STREAM, Claim, grid_step, is_period
from perptape.collect.report import Standing, standings
from perptape.datasets import DATASETS
from perptape.interval import HOUR, MINUTE, NS, SECOND, Interval, gaps, intersection, slots, total, union
from perptape.standing import PUBLISHED_WITHIN, State
from perptape.store import layout
from perptape.store.coverage import decode_coverage
from perptape.store.landing import landing
from perptape.store.rebuild import data_tables
from perptape.store.tape import Tape
from perptape.times import iso

_VALUE = {"open_interest": "oi_base", "funding": "rate", "funding_prediction": "rate"}
"""Of each dataset, the column that is held against the truth."""


class Judge:
    """`findings`: one line each, with what is wrong. `brief`: all is over before the day has passed after which a contract's history is
    asked for again that the venue refused while it was not listed."""

    def __init__(self, market: Market, streams: StreamJudge, *, brief: bool = False) -> None:
        self._market, self._streams, self._brief = market, streams, brief
        self.findings: list[str] = []
        self._durable: dict[str, set[tuple[Any, ...]]] = {}

    def found(self, text: str) -> None:
        if text not in self.findings:
            self.findings.append(text)

    @property
    def excused(self) -> int:
        """Events that are missing in claimed time and that nobody could miss."""
        return len(self._streams.excused)

    # -- at each commit

    def watching(self, kind: type[Tape]) -> type[Tape]:
        """The same tape; the judge sees what is committed."""
        judge = self

        class Watched(kind):  # type: ignore[misc, valid-type]
            def commit(self, venue: str, dataset: str, rows: Any, claims: Any, wants: Any, *rest: Any, **more: Any) -> str:
                claims = tuple(claims)
                judge.committing(dataset, rows, claims)
                name: str = super().commit(venue, dataset, rows, claims, wants, *rest, **more)
                judge.committed(dataset, rows)
                return name

        return Watched

    def committing(self, dataset: str, rows: pa.Table | None, claims: Iterable[Claim]) -> None:
        if dataset == "liquidations":
            self._live(rows, claims)
            return
        have = by_instrument(rows, _VALUE.get(dataset)) if rows is not None and dataset != "instruments" else {}
        for claim in claims:
            if claim.kind != "complete":
                continue
            mine = have.get(claim.instrument, {})
            if wrong := self._unlike(dataset, claim.instrument, claim.grid, claim.span, mine):
                self.found(f"{dataset} {claim.instrument} {claim.grid}: claimed complete {said(claim.span)}, {wrong}")

    def _live(self, rows: pa.Table | None, claims: Iterable[Claim]) -> None:
        have = events_of(rows) if rows is not None else Counter()
        for claim in claims:
            if claim.kind in ("complete", "sampled") and (wrong := self._streams.unlike(claim.instrument, claim.span, have)):
                self.found(f"liquidations {claim.instrument}: claimed {claim.kind} {said(claim.span)}, {wrong}")

    def written(self, fs: Any, path: str, data: bytes) -> None:
        """A coverage file is about to be there: what it claims is in data files, for segments may go from here on."""
        if not path.startswith(f"{layout.COVERAGE}/"):
            return
        found = layout.venue_and_dataset(path)
        place = found and landing(*found, "nautilus1")
        if found is None or place is None or found[1] not in (*_VALUE, "liquidations"):
            return
        tables = list(data_tables(fs, place))
        claims = [claim for claim in decode_coverage(data, path).claims if claim.kind in ("complete", "sampled")]
        rows = pa.concat_tables(tables) if tables else DATASETS[found[1]].empty()
        before, self.findings = self.findings, []
        self.committing(found[1], rows, claims)
        told, self.findings = self.findings, before
        for text in told[:1]:
            self.found(f"in coverage before it is in data files: {text}")

    def committed(self, dataset: str, rows: pa.Table | None) -> None:
        """The commit returned: from here on nothing takes it away."""
        if rows is not None and dataset != "instruments":
            self._durable.setdefault(dataset, set()).update(keys(rows, all_of_key=dataset == "liquidations"))

    def _unlike(self, dataset: str, instrument: str, grid: str, span: Interval, have: Values) -> str:
        """How the rows differ from what is true of a complete span."""
        if grid == SETTLED:
            return differing(self._market.settled(instrument, span), have)
        step = grid_step(grid)
        if step is None:
            return ""
        if is_period(grid):
            truth = self._market.buckets(instrument, span, whole=False)
            if none := [slot for slot in slots(span, step) if slot not in truth]:
                return f"where there is no bucket, at {iso(none[0])}"
            return differing(truth, have)
        bare = [slot for slot in slots(span, step) if not any(time in Interval(slot, slot + step) for time in have)]
        return f"without a sample from {iso(bare[0])}" if bare else ""

    # -- later

    def survived(self, tape: Tape, when: str) -> None:
        """What had been committed is there."""
        for dataset, durable in self._durable.items():
            if gone := durable - set(keys(tape.every_row(dataset), all_of_key=dataset == "liquidations")):
                name, time = min(gone, key=lambda one: one[1])[:2]
                self.found(f"{dataset}: {len(gone)} committed rows are gone {when}, {name} at {iso(time // NS)} is the first")

    def last(self, tape: Tape, now: int) -> None:
        """Everything, in the end."""
        self.survived(tape, "in the end")
        if self._market.schedule.seed % 4 == 0:  # it reads everything once more
            for line in tape.verify():
                self.found(f"verify finds {line}")
        venue = self._market.schedule.venue
        have: dict[str, dict[str, Values]] = {}
        for dataset, value in _VALUE.items():
            rows = tape.every_row(dataset)
            if twice := [key for key, count in Counter(keys(rows, all_of_key=True)).items() if count > 1]:
                self.found(f"{dataset}: {len(twice)} rows are there twice, {twice[0]}")
            have[dataset] = by_instrument(rows, value)
        self._sent(have, now)
        live = events_of(tape.every_row("liquidations"))
        lost: dict[str, list[State]] = {}
        seen = set()
        seen_lives = {(life.instrument.id, life.instrument.listed) for life in tape.instruments(venue)}
        for one in standings(tape, now, [venue]):
            seen.add((one.instrument, one.dataset))
            if one.dataset == "liquidations":
                lost[one.instrument] = [state for state in one.states if state.status == "lost"]
                for state in one.states:
                    if wrong := self._streams.wrong(state, one.instrument, live, now):
                        self.found(f"liquidations {one.instrument}: {state.status} {state.reason} {said(state.span)}, {wrong}")
                self._meant(one, self._streams.wanted(), seen_lives)
                continue
            self._wanted(one, now, seen_lives)
            for state in one.states:
                if wrong := self._wrong(one, state, have[one.dataset].get(one.instrument, {}), now):
                    self.found(f"{one.dataset} {one.instrument} {one.grid}: {state.status} {state.reason} {said(state.span)}, {wrong}")
        for line in self._streams.rows(live, lost):
            self.found(f"liquidations: {line}")
        for life in self._market.lives:
            for dataset in ("open_interest", "funding", *(["liquidations"] if self._streams.wanted() else [])):
                if (life.id, dataset) not in seen:
                    self.found(f"{dataset} {life.id}: nobody wants it")

    def _wanted(self, one: Standing, now: int, known: set[tuple[str, int | None]]) -> None:
        """All that the spec asks for is wanted, while the contract is listed; a life that ended before anybody saw it nobody can want, nor
        what is older than the backfill of the first run that was told what is listed and could keep what it wants."""
        first = self._market.first_listed
        if not one.grid.startswith("sample/"):
            self._meant(one, [Interval((first or self._market.start) - BACKFILL, now)], known)
        elif first is not None:  # the past cannot be sampled
            self._meant(one, [Interval(first, max(first, self._market.start + round(self._market.schedule.storm * SECOND)))], known)

    def _meant(self, one: Standing, asked: Iterable[Interval], known: set[tuple[str, int | None]]) -> None:
        """A life's edges are slots; of one that begins meanwhile the venue is asked once an hour."""
        mine = [life for life in self._market.lives if life.id == one.instrument and (life.id, life.listed) in known]
        listed = intersection(union(asked), union(life.life for life in mine))
        missing = total(gaps(listed, one.wanted))
        later = sum(life.listed is not None and life.listed > self._market.start for life in mine)
        slack = 10 * MINUTE + 3 * len(mine) * (grid_step(one.grid) or MINUTE) + later * HOUR * (one.grid == STREAM)
        if missing > slack:
            self.found(f"{one.dataset} {one.instrument} {one.grid}: {missing // MINUTE} minutes are not wanted")

    def _sent(self, have: dict[str, dict[str, Values]], now: int) -> None:
        """Every row was sent by the venue."""
        for name, rows in have["funding"].items():
            truth = self._market.settled(name, hull(rows))
            if strange := [time for time, rate in rows.items() if truth.get(time) != rate]:
                self.found(f"funding {name}: never sent, {iso(strange[0])}")
        for name, rows in have["open_interest"].items():
            if self._market.period is None:
                continue
            truth = self._market.buckets(name, hull(rows), whole=False)
            final = now - self._market.moving
            if strange := [t for t, base in rows.items() if t not in truth or not (0 <= base - truth[t] <= 7 or t >= final)]:
                self.found(f"open_interest {name}: never sent, {iso(strange[0])}")

    def _wrong(self, one: Standing, state: State, have: Values, now: int) -> str:
        """What is wrong with a state; nothing where it is true."""
        if state.status == "pending":
            return "" if state.span.start >= now - self._undecided(one) else "which is long over"
        if state.status == "complete":
            return self._unlike(one.dataset, one.instrument, one.grid, state.span, have)
        if one.grid.startswith("sample/"):
            return self._sample(state, have, now)
        truth = self._truth(one, state.span)
        if state.status == "empty":
            return f"where {len(truth)} rows are, {iso(min(truth))}" if truth else ""
        if state.status == "open":
            young = not truth and now - state.span.end < 25 * HOUR
            refused = self._brief and state.not_before > now and bool(self._market.schedule.of("relisting"))
            return "" if young or refused else f"still obtainable: {len(truth)} rows"
        if state.status == "lost" and state.reason == "retention":
            kept = self._kept(one)
            past = kept is not None and state.span.end <= now - kept + 3 * MINUTE
            oldest = min((s.span.start for s in one.states if s.status == "complete"), default=now)
            unseen = not truth and state.span.end <= oldest  # nobody can tell a hole before the first row from what is not kept
            return "" if past or unseen else f"inside retention, with {len(truth)} rows"
        return "no such thing can be"

    def _undecided(self, one: Standing) -> int:
        """ms before now from which on nothing can be known yet: the last slot, or settlement, and what a venue takes to tell it."""
        step = grid_step(one.grid) or max(life.funding_minutes or 480 for life in self._market.lives) * MINUTE
        return step + 2 * PUBLISHED_WITHIN

    @staticmethod
    def _sample(state: State, have: Values, now: int) -> str:
        if state.status == "open":
            return "" if now < state.span.end else "though its slot is over"
        inside = [time for time in have if time in state.span]
        return "" if state.status == "lost" and state.reason == "missed sample" and not inside else f"with {len(inside)} samples"

    def _truth(self, one: Standing, span: Interval) -> Values:
        return self._market.settled(one.instrument, span) if one.grid == SETTLED else self._market.buckets(one.instrument, span)

    def _kept(self, one: Standing) -> int | None:
        traits = self._market.traits
        if one.grid == SETTLED:
            return traits.funding_history.retention
        history = traits.open_interest_history
        return None if history is None else history.kept(self._market.period)
