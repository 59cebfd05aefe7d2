"""What Prometheus is told of a process that stays. Pure: from a run's summary to the text format.

Written by hand, since a client library would be imported by every streamer for forty lines of text; the tests read it with the real one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from perptape.collect.outcome import Outcome
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
    yield from _streams([one for one in everything if one.live is not None])
    paused = [({"venue": venue}, until / 1000) for venue, until in sorted(summary.pauses.items())]
    yield Family("perptape_venue_paused_until_timestamp_seconds", "gauge", "Until when a venue asked not to be asked.", paused)
    granted = [({"venue": venue}, share) for venue, share in sorted(shares.items())]
    yield Family("perptape_venue_budget_share_ratio", "gauge", "The part of a venue's limit that this pod may use now.", granted)


def _collections(found: Iterable[Outcome]) -> Iterator[Family]:
    listed = [({"venue": one.venue, "dataset": one.dataset}, one) for one in found]
    yield Family("perptape_rows_total", "counter", "Rows obtained; of a stream, events in its log.", [(at, one.rows) for at, one in listed])
    yield Family("perptape_calls_total", "counter", "Calls to the venue.", [(at, one.calls) for at, one in listed if one.live is None])
    yield Family("perptape_dropped_total", "counter", "Rows and frames that could not be used.", [(at, one.dropped) for at, one in listed])
    yield Family("perptape_suspicious_total", "counter", "Rows stored that look odd.", [(at, one.suspicious) for at, one in listed])
    yield Family("perptape_instruments", "gauge", "Instruments collected.", [(at, one.instruments) for at, one in listed])
    yield Family("perptape_windows_remaining", "gauge", "Windows of the past still to ask.", [(at, one.remaining) for at, one in listed])
    yield Family(
        "perptape_collection_failing", "gauge", "Whether it fails now.", [(at, float(bool(one.failed or one.error))) for at, one in listed]
    )


def _streams(found: Iterable[Outcome]) -> Iterator[Family]:
    listed = [({"venue": one.venue}, one.live) for one in found if one.live is not None]
    yield Family("perptape_stream_connections", "gauge", "Connections acknowledged now.", [(at, one.connected) for at, one in listed])
    yield Family(
        "perptape_stream_connections_wanted", "gauge", "Connections that there should be.", [(at, one.places) for at, one in listed]
    )
    yield Family(
        "perptape_stream_subscriptions_total",
        "counter",
        "Connections acknowledged so far.",
        [(at, one.counts.connections) for at, one in listed],
    )
    yield Family("perptape_stream_reconnects_total", "counter", "Connections that ended.", [(at, one.reconnects) for at, one in listed])
    yield Family(
        "perptape_stream_malformed_total",
        "counter",
        "Frames that could not be understood.",
        [(at, one.counts.malformed) for at, one in listed],
    )
    yield Family(
        "perptape_stream_overflowed_total",
        "counter",
        "Events for which there was no room.",
        [(at, one.counts.dropped) for at, one in listed],
    )
    yield Family(
        "perptape_stream_ahead_total",
        "counter",
        "Events stamped ahead of the venue's clock.",
        [(at, one.counts.ahead) for at, one in listed],
    )
    yield Family(
        "perptape_stream_event_lag_seconds",
        "gauge",
        "From the last event's time to its receipt.",
        [(at, _seconds(one.counts.lag)) for at, one in listed],
    )
    yield Family(
        "perptape_stream_last_event_timestamp_seconds",
        "gauge",
        "The newest event's time.",
        [(at, _seconds(one.counts.last_event)) for at, one in listed],
    )
    yield Family(
        "perptape_stream_durable_until_timestamp_seconds",
        "gauge",
        "All received before it is in the fsynced log.",
        [(at, _seconds(one.durable_until)) for at, one in listed],
    )
    yield Family("perptape_stream_segments_total", "counter", "Segments in the store.", [(at, one.segments) for at, one in listed])
    yield Family(
        "perptape_stream_segments_waiting", "gauge", "Segments that wait for the store.", [(at, one.waiting) for at, one in listed]
    )
    yield Family("perptape_stream_holes_total", "counter", "Holes recorded.", [(at, one.holes) for at, one in listed])


def _seconds(ms: int | None) -> float | None:
    return None if ms is None else ms / 1000


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
