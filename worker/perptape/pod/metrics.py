"""What Prometheus is told of a process that stays. Pure: from a run's summary to the text format.

Written by hand, since a client library would be imported by every streamer for forty lines of text; the tests read it with the real one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from perptape.collect.outcome import Outcome
from perptape.collect.stream_report import LiveReport
from perptape.collect.summary import Summary

Kind = Literal["counter", "gauge"]
Sample = tuple[dict[str, str], float | None]


@dataclass(frozen=True, slots=True)
class Family:
    """A metric: its name (a counter's ends in ``_total``), what it means, and its samples."""

    name: str
    kind: Kind
    means: str
    samples: Sequence[Sample] = field(default_factory=tuple)

    def lines(self) -> Iterator[str]:
        """Nothing where nothing is known."""
        known = [(labels, value) for labels, value in self.samples if value is not None]
        if known:
            yield f"# HELP {self.name} {self.means}"
            yield f"# TYPE {self.name} {self.kind}"
        for labels, value in known:
            told = ",".join(f'{name}="{_escaped(text)}"' for name, text in labels.items())
            yield f"{self.name}{{{told}}} {value:.15g}" if told else f"{self.name} {value:.15g}"


NO_SHARES: Mapping[str, float] = {}


def text(summary: Summary, *, ready: bool, shares: Mapping[str, float] = NO_SHARES) -> str:
    """The whole answer. `shares`: venue -> the part of its limit that this process may use, where somebody shares it out."""
    return "\n".join(line for family in families(summary, ready=ready, shares=shares) for line in family.lines()) + "\n"


def families(summary: Summary, *, ready: bool, shares: Mapping[str, float] = NO_SHARES) -> Iterator[Family]:
    """Every metric there is."""
    everything = [*summary.outcomes, *summary.waiting]
    yield Family("perptape_ready", "gauge", "Whether the pod is ready: it listens and can write.", [({}, float(ready))])
    yield Family("perptape_start_timestamp_seconds", "gauge", "When the process began to collect.", [({}, summary.started / 1000)])
    yield Family("perptape_store_failing", "gauge", "Whether the store refused the last write.", [({}, float(bool(summary.store_error)))])
    yield from _collections(everything)
    yield from _streams(everything)
    paused = [({"venue": venue}, until / 1000) for venue, until in sorted(summary.pauses.items())]
    yield Family("perptape_venue_paused_until_timestamp_seconds", "gauge", "Until when a venue asked not to be asked.", paused)
    granted = [({"venue": venue}, share) for venue, share in sorted(shares.items())]
    yield Family("perptape_venue_budget_share_ratio", "gauge", "The part of a venue's limit that this pod may use now.", granted)


COLLECTION: Sequence[tuple[str, Kind, str, Callable[[Outcome], float | None]]] = (
    ("rows_total", "counter", "Rows obtained; of a stream, events in its log.", lambda one: one.rows),
    ("calls_total", "counter", "Calls to the venue.", lambda one: one.calls if one.live is None else None),
    ("dropped_total", "counter", "Rows and frames that could not be used.", lambda one: one.dropped),
    ("suspicious_total", "counter", "Rows stored that look odd.", lambda one: one.suspicious),
    ("instruments", "gauge", "Instruments collected.", lambda one: one.instruments),
    ("windows_remaining", "gauge", "Windows of the past still to ask.", lambda one: one.remaining),
    ("collection_failing", "gauge", "Whether it fails now.", lambda one: float(bool(one.failed or one.error))),
)
"""Of a venue and dataset: name, kind, meaning, value."""
STREAM: Sequence[tuple[str, Kind, str, Callable[[LiveReport], float | None]]] = (
    ("connections", "gauge", "Connections acknowledged now.", lambda one: one.connected),
    ("connections_wanted", "gauge", "Connections that there should be.", lambda one: one.places),
    ("subscriptions_total", "counter", "Connections acknowledged so far.", lambda one: one.counts.connections),
    ("reconnects_total", "counter", "Connections that ended.", lambda one: one.reconnects),
    ("second_connections_total", "counter", "Times that a second one listened to a silent feed.", lambda one: one.seconds),
    ("malformed_total", "counter", "Frames that could not be understood.", lambda one: one.counts.malformed),
    ("overflowed_total", "counter", "Events for which there was no room.", lambda one: one.counts.dropped),
    ("ahead_total", "counter", "Events stamped ahead of the venue's clock.", lambda one: one.counts.ahead),
    ("event_lag_seconds", "gauge", "From the last event's time to its receipt.", lambda one: _seconds(one.counts.lag)),
    ("last_event_timestamp_seconds", "gauge", "The newest event's time.", lambda one: _seconds(one.counts.last_event)),
    ("durable_until_timestamp_seconds", "gauge", "All received before it is in the fsynced log.", lambda one: _seconds(one.durable_until)),
    ("log_bytes", "gauge", "Bytes of the log's reserve that are taken.", lambda one: one.log_used),
    ("log_reserve_bytes", "gauge", "Bytes that the log owns.", lambda one: one.log_reserve),
    ("log_failing", "gauge", "Whether what is received is not durable now.", lambda one: float(bool(one.log_error))),
    ("segments_total", "counter", "Segments in the store.", lambda one: one.segments),
    ("segments_waiting", "gauge", "Segments that wait for the store.", lambda one: one.waiting),
    ("holes_total", "counter", "Holes recorded.", lambda one: one.holes),
)
"""Of a venue's stream."""


def _collections(found: Sequence[Outcome]) -> Iterator[Family]:
    for name, kind, means, value in COLLECTION:
        yield Family(f"perptape_{name}", kind, means, [({"venue": one.venue, "dataset": one.dataset}, value(one)) for one in found])


def _streams(found: Sequence[Outcome]) -> Iterator[Family]:
    for name, kind, means, value in STREAM:
        told = [({"venue": one.venue}, value(one.live)) for one in found if one.live is not None]
        yield Family(f"perptape_stream_{name}", kind, means, told)


def _seconds(ms: int | None) -> float | None:
    return None if ms is None else ms / 1000


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
