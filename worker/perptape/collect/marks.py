"""What a stream's marks prove: claims on the grid `stream`, never across a reconnect and never past the last mark.

Pure. A connection proves the time from the first control message after its acknowledgement to the last one, less the venue's push
interval (kind `live`). A feed proves the part of it in which it spoke and was never silent for longer than its quiet limit
(`complete`, or `sampled` where the venue itself drops events). Time in which no connection was there is a `hole`. Claiming at any
moment, then going on, claims the same in the end.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from perptape.claims import STREAM, Claim, join
from perptape.collect.mark_rules import Rules
from perptape.damage import DAMAGED
from perptape.interval import Interval, gaps, union
from perptape.store.log_record import Mark


@dataclass(slots=True)
class _Chain:
    """A feed that speaks: proven from `start` (what is before is claimed) to `last`."""

    start: int
    last: int


@dataclass(slots=True)
class _Connection:
    """`since`: no claim before it. `first`: the first control message; `last`: the newest; `claimed`: proven and said up to it."""

    since: int
    first: int | None = None
    last: int = 0
    claimed: int = 0
    chains: dict[str, _Chain] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Proof:
    """A span that a connection proved; `topic` is None for the connection itself."""

    connection: str
    topic: str | None
    span: Interval
    asked: int


class Proofs:
    """The fold of a stream's marks."""

    def __init__(self, rules: Rules, opened: int, since: Mapping[str, int]) -> None:
        self._rules = rules
        self._said = {one: min(since.get(one, opened), opened) for one in rules.instruments}
        self._downtime = {one: start for one, start in self._said.items() if one in since}
        self._open: dict[str, _Connection] = {}
        self._proven: list[_Proof] = []
        self._live: tuple[Interval, ...] = ()
        self._dropped: list[tuple[int, str]] = []
        self._damage: Literal["none", "met", "passed"] = "none"
        """Of marks that could not be read: met, none behind them was seen yet; passed, a connection may be acknowledged that is not
        known to be."""
        self._behind = 0
        """No claim of a connection that is met from now on begins before."""
        self._lasting = True
        """Whether time that nothing proves since something was dropped is the drop's."""
        self.last = opened
        """The time of the newest mark."""

    @property
    def said(self) -> Mapping[str, int]:
        """Instrument -> the time before which everything is claimed or known to be missed."""
        return self._said

    @property
    def open(self) -> tuple[str, ...]:
        """The connections that are not closed."""
        return tuple(self._open)

    def damaged(self) -> None:
        """Here marks were that cannot be read, and rows. What connections prove they prove anew, from a push interval behind the next
        marks: what was received up to those may be among what is gone."""
        self.see(Mark("dropped", "", self.last, text=DAMAGED))
        self._damage = "met"

    def resume_behind(self, marks: Iterable[Mark]) -> None:
        """The next marks that can be read, before any of them is seen."""
        times = [mark.time for mark in marks]
        if times and self._damage == "met":
            self._damage, self._behind = "passed", max(times) + self._rules.push

    def see(self, mark: Mark) -> None:
        self.last = max(self.last, mark.time)
        if mark.kind == "acknowledged":
            self._end(mark.connection)
            self._open[mark.connection] = _Connection(max(mark.time, self._behind))
            return
        if mark.kind == "dropped":
            self._dropped.append((mark.time, mark.text))
            self._lasting, self._damage = True, "none"
            for name in list(self._open):
                self._end(name)
            return
        if mark.kind == "closed":
            self._lasting &= mark.connection not in self._open  # what counted again after a drop and is closed: another trouble begins
            self._end(mark.connection)
            return
        found = self._open.get(mark.connection)
        if found is None:
            if self._damage != "passed" or mark.kind == "malformed":
                return
            found = self._open[mark.connection] = _Connection(self._behind)  # only what is acknowledged is marked
        if mark.kind == "control":
            if found.first is None:
                found.first = found.claimed = found.last = max(mark.time, found.since)
            found.last = max(found.last, mark.time)
        elif mark.kind == "feed":
            self._spoke(mark.connection, found, mark)
        else:  # malformed: it may have held an event of any topic
            self._break(mark.connection, found)

    def _spoke(self, name: str, found: _Connection, mark: Mark) -> None:
        chain = found.chains.get(mark.topic)
        if chain is not None and mark.time - chain.last <= self._rules.quiet:
            chain.last = max(chain.last, mark.time)
            return
        if chain is not None:
            self._prove(name, mark.topic, found, chain)
        found.chains[mark.topic] = _Chain(max(mark.time, found.since), mark.time)

    def _end(self, name: str) -> None:
        found = self._open.pop(name, None)
        if found is not None:
            self._advance(name, found)

    def _break(self, name: str, found: _Connection) -> None:
        for topic, chain in found.chains.items():
            self._prove(name, topic, found, chain)
        found.chains.clear()

    def _advance(self, name: str, found: _Connection) -> None:
        """Everything that the connection proves by now."""
        if found.first is None:
            return
        end = self._sure(found)
        if end > found.claimed:
            self._proven.append(_Proof(name, None, Interval(found.claimed, end), found.last))
            found.claimed = end
        for topic, chain in found.chains.items():
            self._prove(name, topic, found, chain)

    def _prove(self, name: str, topic: str, found: _Connection, chain: _Chain) -> None:
        if found.first is None:
            return
        start, end = max(chain.start, found.first), min(chain.last, found.last) - self._rules.push
        if end > start:
            self._proven.append(_Proof(name, topic, Interval(start, end), min(chain.last, found.last)))
            chain.start = end

    def claims(self, time: int) -> tuple[Claim, ...]:
        """What was proven or missed since the last call. `time`: now; where nobody listens, all up to it is missed."""
        return join([*self.proven(), *self._holes(self._known_to(time))])

    def proven(self) -> tuple[Claim, ...]:
        """What was proven since the last call; what was missed is said later, each hole whole."""
        for name, found in self._open.items():
            self._advance(name, found)
        proven, self._proven = self._proven, []
        self._live = union([*self._live, *(p.span for p in proven if p.topic is None)])
        return join(claim for proof in proven for claim in self._claimed(proof))

    def _claimed(self, proof: _Proof) -> Iterator[Claim]:
        """Of a market's topic, and of the connection, all instruments; of a symbol's, its own."""
        rules, span = self._rules, proof.span
        everyone = proof.topic is None or rules.market
        kind, basis = ("live", "connection") if proof.topic is None else (rules.kind, rules.basis)
        for instrument in rules.instruments if everyone else {proof.topic} & set(rules.instruments):
            yield Claim(instrument, STREAM, kind, span.start, span.end, basis, span.start, proof.asked, frozenset({proof.connection}))  # type: ignore[arg-type]

    def end(self, time: int) -> int:
        """Where all that `claims(time)` leaves said ends: whatever is after it, nobody claims and nobody knows to be missed."""
        return max(*self._said.values(), self._known_to(time))

    def ends(self) -> int:
        """Where all ends that the marks of a dead process say, once its connections are closed: with its last proof, or, where what was
        to prove the rest is damaged, with its last mark. After that no process was there."""
        proven = self._known_to(0)
        damaged = any(cause == DAMAGED and time >= proven for time, cause in self._dropped)
        return max(*self._said.values(), self.last if damaged else 0)

    def _known_to(self, time: int) -> int:
        """The time before which no open connection can prove anything more."""
        pending = [found.since if found.first is None else max(found.claimed, self._sure(found)) for found in self._open.values()]
        live = [span.end for span in (*self._live, *(proof.span for proof in self._proven if proof.topic is None))]
        return min(pending, default=max([time, *live]))

    def _sure(self, found: _Connection) -> int:
        """Where the proof of a connection ends."""
        return found.last - self._rules.push

    def _holes(self, end: int) -> Iterator[Claim]:
        lasting = set[str]()
        for instrument, start in self._said.items():
            if start >= end:
                continue
            for gap in gaps([Interval(start, end)], self._live):
                dropped = self._dropped_in(gap)
                lasting |= {dropped} if dropped and gap.end == end and self._lasting else set()
                cause = dropped or ("process down" if gap.start == self._downtime.get(instrument) else "disconnected")
                yield Claim(instrument, STREAM, "hole", gap.start, gap.end, "", gap.start, gap.end, cause=cause)
            self._said[instrument] = end
        self._live = tuple(span for span in self._live if span.end > end)
        self._dropped = [(time, cause) for time, cause in self._dropped if time >= end] + [(end, cause) for cause in sorted(lasting)]

    def _dropped_in(self, gap: Interval) -> str:
        """Why something was dropped in a gap; a hole that is said piece by piece is of one cause until a connection proves again."""
        return next((cause for time, cause in self._dropped if gap.start <= time <= gap.end), "")

    def horizons(self) -> Mapping[str, int]:
        """Instrument -> the time before which no later claim begins: rows from then on are still needed."""
        rules, out = self._rules, {}
        common = [self._floor(found) for found in self._open.values()]
        for instrument in rules.instruments:
            topic = "" if rules.market else instrument
            chains = [max(c.chains[topic].start, c.since) for c in self._open.values() if topic in c.chains]
            out[instrument] = min([*common, *chains], default=self.last)
        return out

    @staticmethod
    def _floor(found: _Connection) -> int:
        return found.since if found.first is None else found.claimed

    def resume(self) -> tuple[Mark, ...]:
        """Marks that say what the open connections have proven and not yet claimed: the beginning of the next log."""
        out = [Mark("dropped", "", time, text=cause) for time, cause in self._dropped]
        for name, found in self._open.items():
            first = found.since if found.first is None else found.first
            alive = {topic: chain for topic, chain in found.chains.items() if found.last - chain.last <= self._rules.quiet}
            chains = {topic: _Chain(max(chain.start, first), chain.last) for topic, chain in alive.items()}
            start = min([self._floor(found), *(chain.start for chain in chains.values())])
            out.append(Mark("acknowledged", name, start))
            if found.first is not None:
                out += [Mark("control", name, start), Mark("control", name, found.last)]
            for topic, chain in chains.items():
                out += [Mark("feed", name, time, topic) for time in (chain.start, chain.last) if time <= chain.last]
        return tuple(out)
