"""What a run of one venue and dataset came to. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from perptape.collect.audit import Audited
    from perptape.collect.figures import Figures
    from perptape.collect.stream_report import LiveReport


@dataclass(slots=True)
class Outcome:
    """Counts and messages. `failed` may be obtained by a later run; `skipped` will not; `remaining` windows had no time.

    Of a stream (`streamed`) `rows` are the events received over all of its connections, so that with replicas an event counts once
    for each that heard it, and `windows` are the connections.
    """

    venue: str
    dataset: str
    rows: int = 0
    windows: int = 0
    calls: int = 0
    remaining: int = 0
    dropped: int = 0
    suspicious: int = 0
    instruments: int = 0
    failed: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    unsupported: str = ""
    error: str = ""
    """Why all of it ended early (a ban, a Fatal, the store)."""
    unstored: int = 0
    """Rows of `rows` that the store has not taken."""
    stored: int = 0
    """Of a stream: rows that the store has taken, each once whatever connections heard them."""
    symbols: dict[str, object] | None = None
    """What became of the symbols asked for: wanted, collected, substituted, skipped, examples."""
    figures: Figures | None = None
    """How far the collection is: watermark and holes."""
    offset: int = 0
    """The venue's clock less ours, ms."""
    last_run: int | None = None
    last_success: int | None = None
    """Of a process that stays: when it last fetched, and when a fetch last ended without a failure (ms, local clock)."""
    audited: Audited | None = None
    """Of an audit: what the venue said of a sample of what is kept."""
    live: LiveReport | None = None
    """Of a stream: its state, kept up to date while it runs."""
    _log_error: str = ""
    """What `error` was made of the stream's log."""

    @property
    def streamed(self) -> bool:
        return self.live is not None

    @property
    def listens(self) -> bool:
        """Whether it is a stream that listens, or will once it has begun: not one of nothing."""
        nothing = self.unsupported or (self.symbols is not None and not self.instruments)
        return self.streamed or (self.dataset == "liquidations" and not nothing)

    def listened(self) -> None:
        """Takes a stream's counts over, as they are now."""
        if self.live is not None:
            counts = self.live.counts
            self.rows, self.dropped, self.windows = counts.events, counts.malformed + counts.dropped, counts.connections
            if self.live.log_error or self.error == self._log_error:
                self.error = self._log_error = self.live.log_error

    def go_on(self, latest: Outcome) -> None:
        """Takes over the latest of many fetches: counts add up, what is wrong is as it is now."""
        for name in ("rows", "windows", "calls", "dropped", "suspicious"):
            setattr(self, name, getattr(self, name) + getattr(latest, name))
        for name in ("instruments", "remaining", "failed", "skipped", "error", "symbols"):
            setattr(self, name, getattr(latest, name))
        self.figures = latest.figures or self.figures

    @property
    def unbegun(self) -> bool:
        """Whether it remains as a whole: no symbol of it was looked at."""
        return bool(self.remaining) and not (self.instruments or self.skipped or self.calls or self.failed or self.error)

    @property
    def nothing_obtained(self) -> bool:
        """Whether something was asked for and every attempt failed."""
        return bool(self.failed or self.error) and not self.rows and not self.windows

    @property
    def troubles(self) -> list[str]:
        """A line for each of the first things that went wrong."""
        failed, skipped = (
            [f"{name}: {line}" for line in lines[:5]] for name, lines in (("failed", self.failed), ("skipped", self.skipped))
        )
        return [*failed, *skipped, *([self.error] if self.error else [])]

    @property
    def state(self) -> str:
        if self.unsupported:
            return "unsupported"
        if self.nothing_obtained:
            return "failed"
        return "partial" if self.failed or self.error or self.remaining else "ok"

    def fields(self) -> dict[str, object]:
        """For a log line and the summary: only what says something."""
        found: dict[str, object] = {"venue": self.venue, "dataset": self.dataset, "state": self.state, "rows": self.rows}
        if self.streamed:
            found |= {"events": self.rows, "connections": self.windows, "stored": self.stored}
        for name in ("unstored", "instruments", "windows", "calls", "remaining", "dropped", "suspicious"):
            if value := getattr(self, name):
                found[name] = value
        for name in ("failed", "skipped"):
            if lines := getattr(self, name):
                found[name] = lines
        for name in ("offset", "last_run", "last_success", "symbols"):
            if (value := getattr(self, name)) not in (None, 0):
                found[name] = value
        if self.figures is not None:
            found |= self.figures.fields()
        if self.audited is not None:
            found["audited"] = self.audited.fields()
        if self.live is not None:
            found["ready"] = self.live.proven >= self.live.places
        for name in ("unsupported", "error"):
            if text := getattr(self, name):
                found[name] = text
        return found
