"""What a stream did, as a value."""

from __future__ import annotations

from dataclasses import dataclass, field

from perptape.collect.stream_batch import Counts
from perptape.collect.stream_tail import PART


@dataclass(frozen=True, slots=True)
class Pace:
    """How often a stream does what, in seconds, and how much at once."""

    flush: float = 0.5
    """Between writes to the log: what was received is durable within a second."""
    roll: float = 60.0
    steady: float = 60.0
    """A connection that lived this long forgives the failures before it."""
    farewell: float = 2.5
    """How long a connection may take to close."""
    stop: float = 9.0
    """A graceful stop takes no longer, wherever the store is."""
    waiting: int = 3
    """With so many segments waiting for the store, rolling waits too: the next segment holds more."""
    part: int = PART
    """But no more than so many bytes of rows, about."""
    look: float = 20.0
    """Between looks at the store while there is nothing to put."""
    patience: float = 15.0
    """A store that is away is tried again within so long."""


@dataclass(slots=True)
class LiveReport:
    """The state of a stream, kept up to date while it runs. Times are ms on the venue's clock."""

    venue: str
    dataset: str
    instruments: int
    counts: Counts = field(default_factory=Counts)
    places: int = 1
    """Connections that there should be."""
    connected: int = 0
    """Connections that are acknowledged now."""
    proven: int = 0
    """And on which the control topic has spoken since."""
    reconnects: int = 0
    seconds: int = 0
    """How often a second connection listened since the feed was silent."""
    durable_until: int | None = None
    """Everything received before it is in the fsynced log."""
    log_used: int = 0
    """Bytes of the log's reserve that are taken."""
    log_reserve: int = 0
    log_error: str = ""
    """Why what is received is not durable now; empty when it is."""
    log_reason: str = ""
    segments: int = 0
    """Segments that the store has."""
    waiting: int = 0
    """Segments that it does not have yet."""
    holes: int = 0
    last_error: str = ""
    store_error: str = ""
    """Why the last segment is not in the store; empty when it is."""
    store_reason: str = ""
    ended: str = ""
    """Why the stream ended by itself; empty while it runs and after a stop that was asked for."""
    complete: bool = True
    """After the end: whether everything received is in the store (else it is in the log, for the next process)."""
    lost_to: str = ""
    """After the end: why what came after `durable_until` is neither in the log nor in the store; empty when all is in one of them."""

    def lose(self, cause: str, events: int, durable_until: int | None) -> None:
        """What came after `events` events had become durable is lost."""
        self.counts.dropped += self.counts.events - events
        self.counts.events, self.durable_until, self.lost_to = events, durable_until, cause
