"""What a run came to, for a person, a log, an exit code and a pod's termination message. Pure."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from perptape.collect.outcome import Outcome
from perptape.interval import SECOND
from perptape.times import iso

IDENTITY = ("venue", "dataset", "state")
LONGEST = 4000
"""Kubernetes keeps 4096 bytes of a termination message."""


@dataclass(slots=True)
class Summary:
    """All outcomes of a run. `scheduled`: a time budget that ended is no failure, since the next run goes on."""

    name: str
    run: str
    work_hash: str = ""
    started: int = 0
    finished: int = 0
    scheduled: bool = False
    outcomes: list[Outcome] = field(default_factory=list)
    waiting: list[Outcome] = field(default_factory=list)
    """Of a run under way: what has not begun yet."""
    notes: list[str] = field(default_factory=list)
    store_error: str = ""
    store_reason: str = ""
    """Of a store that cannot be used: in one word, as `errors` has it."""
    pauses: dict[str, int] = field(default_factory=dict)
    """Venue -> until when (ms, local clock) it asked not to be asked."""
    logged: list[str] = field(default_factory=list)
    """The notes that the log has too."""
    published: bool = False
    """Whether the run ended with everything in the data files."""

    @property
    def exit_code(self) -> int:
        """design.md §3: 0 nothing failed, 1 a later run may obtain more, 3 every attempt failed or the store is unusable."""
        asked = [one for one in self.outcomes if not one.unsupported]
        if self.store_error or (asked and all(one.nothing_obtained for one in asked)):
            return 3
        if any(one.failed or one.error or (one.remaining and not self.scheduled) for one in asked):
            return 1
        return 0

    def as_json(self, longest: int = LONGEST) -> str:
        """One JSON object below `longest` bytes: lists are shortened, then messages, then left out, never the object broken."""
        for examples, length in ((20, 300), (5, 200), (2, 120), (1, 60), (0, 0)):
            text = json.dumps(self._fields(examples, length), separators=(",", ":"))
            if len(text.encode()) < longest:
                return text
        return json.dumps({**self._head(100), "truncated": True})

    def _head(self, length: int) -> dict[str, object]:
        found: dict[str, object] = {"name": self.name[:length], "run": self.run, "exit": self.exit_code}
        for name in ("work_hash", "started", "finished", "store_error", "store_reason"):
            if value := getattr(self, name):
                found[name] = value[:length] if isinstance(value, str) else value
        return found

    def _fields(self, examples: int, length: int) -> dict[str, object]:
        def short(values: Sequence[object]) -> list[object]:
            shown: list[object] = [str(value)[:length] for value in values[:examples]]
            return [*shown, f"and {len(values) - examples} more"] if len(values) > examples else shown

        def shortened(value: object) -> object:
            if isinstance(value, dict):
                return {name: shortened(inner) for name, inner in value.items()}
            return short(value) if isinstance(value, list) else value[:length] if isinstance(value, str) else value

        outcomes = []
        for outcome in (*self.outcomes, *self.waiting):
            fields = outcome.fields()
            outcomes.append({name: value if name in IDENTITY else shortened(value) for name, value in fields.items()})
        found = self._head(max(length, 100))
        found["collections"] = outcomes
        if self.pauses:
            found["pauses"] = [{"venue": venue, "until": until} for venue, until in sorted(self.pauses.items())]
        if self.notes:
            found["notes"] = short(self.notes)
        return found

    def lines(self, seen: Collection[str] = ()) -> list[str]:
        """One line per collection, one per thing that went wrong, and the notes but those that were seen already."""
        out = []
        for one in self.outcomes:
            if one.unsupported:
                out.append(f"{one.venue} {one.dataset}: not collected: {one.unsupported}")
                continue
            if one.unbegun:
                out.append(f"{one.venue} {one.dataset}: not begun")
                continue
            if one.audited is not None:
                left = f", {_count(one.remaining, 'window')} left for want of time" if one.remaining else ""
                out.append(f"{one.venue} {one.dataset}: {one.audited}, in {_count(one.calls, 'call')}{left}")
                out.extend(f"  {line}" for line in one.troubles)
                continue
            extra = "".join(
                f", {value} {name}"
                for name, value in (
                    ("not stored", one.unstored),
                    ("dropped", one.dropped),
                    ("suspicious", one.suspicious),
                    ("remaining", one.remaining),
                )
                if value
            )
            found = _count(one.rows, "event" if one.streamed else "row")
            asked = (
                f"over {_count(one.windows, 'connection')}, {_count(one.stored, 'row')} stored"
                if one.streamed
                else f"in {_count(one.calls, 'call')}"
            )
            stands = _standing(one, self.finished)
            out.append(f"{one.venue} {one.dataset}: {found} of {_count(one.instruments, 'instrument')} {asked}{extra}{stands}")
            out.extend(f"  {line}" for line in one.troubles)
        if self.store_error:
            out.append(f"the store cannot be used: {self.store_error}")
        return [*out, *(note for note in self.notes if note not in seen)]


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _standing(one: Outcome, finished: int) -> str:
    """What is missing now, and up to when nothing is: no later than `finished` (ms, local clock; 0: not known). Of a stream that never
    came about its tape says nothing yet."""
    if one.streamed and not one.windows:
        return "; nothing was heard"
    if one.figures is None:
        return ""
    figures = one.figures
    why = f" ({', '.join(figures.why)})" if figures.why else ""
    counts = ((figures.open, "open"), (figures.lost, f"lost{why}"), (figures.unproven, "unproven"))
    missing = ", ".join(f"{count} {kind}" for count, kind in counts if count)
    young = f", {-(-figures.pending // SECOND)} s pending" if figures.pending else ""  # a hole just now: it is judged when it is older
    known = [at for at in (figures.watermark, figures.due) if at is not None]  # of what is not due yet nobody knows
    known += [finished + one.offset] if finished else []  # the venue's clock may have been ahead when it was judged
    until = "" if figures.watermark is None else f", {'all else' if missing else 'complete'} up to {iso(min(known))}"
    nothing = "nothing yet" if young else "nothing"
    before = "" if figures.reach is None else f"; out of the venue's reach: up to {iso(figures.reach)}"
    return f"; missing: {missing or nothing}{young}{until}{before}"
