"""What Prometheus is told: the operator's own work, and every collection's figures, since fetch jobs end too soon to be scraped."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from perptape_api.status import Status
from perptape_operator import clock
from perptape_operator.cache import SpecKey

LABELS = ("namespace", "spec", "exchange", "dataset")


@dataclass(slots=True)
class Counters:
    """The operator's own."""

    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    reconciles: Counter = field(init=False)
    reconcile_seconds: Histogram = field(init=False)
    resyncs: Counter = field(init=False)
    budget_posts: Counter = field(init=False)

    def __post_init__(self) -> None:
        at = self.registry
        self.reconciles = Counter("perptape_operator_reconciles", "Specs reconciled.", ["outcome"], registry=at)
        self.reconcile_seconds = Histogram("perptape_operator_reconcile_seconds", "How long one took.", registry=at)
        self.resyncs = Counter("perptape_operator_resyncs", "Times that everything was listed afresh.", registry=at)
        self.budget_posts = Counter("perptape_operator_budget_posts", "Posts of pods to the budget.", ["venue", "outcome"], registry=at)

    def text(self) -> bytes:
        return generate_latest(self.registry)


@dataclass(slots=True, eq=False)
class Standing(Collector):
    """Read at every scrape, so that nothing is told of what is gone. `now` in ms; `offset`: how far a collection's venue's clock is ahead,
    in ms; `pauses`: venue -> end in ms; `granted`: venue -> what is granted in all."""

    statuses: Callable[[], Iterable[tuple[SpecKey, Status]]]
    now: Callable[[], int]
    offset: Callable[[SpecKey, str, str], int]
    waiting: Callable[[], int]
    failing: Callable[[], int]
    pauses: Callable[[], dict[str, int]]
    granted: Callable[[], dict[str, float]]

    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily("perptape_operator_queue_length", "Specs waiting or worked on.", value=self.waiting())
        yield GaugeMetricFamily("perptape_operator_queue_failing", "Specs whose last reconcile failed.", value=self.failing())
        paused = GaugeMetricFamily("perptape_venue_paused_until_timestamp_seconds", "When a venue may be asked again.", labels=["venue"])
        for venue, end in self.pauses().items():
            paused.add_metric([venue], end / 1000)
        granted = GaugeMetricFamily("perptape_venue_budget_granted_ratio", "Granted to all pods, of a venue's limit.", labels=["venue"])
        for venue, part in self.granted().items():
            granted.add_metric([venue], part)
        yield paused
        yield granted
        yield from self._collections()

    def _collections(self) -> Iterator[Metric]:
        watermark = GaugeMetricFamily(
            "perptape_collection_watermark_timestamp_seconds", "The end of the newest stretch without an open or lost hole.", labels=LABELS
        )
        lag = GaugeMetricFamily("perptape_collection_lag_seconds", "How far the watermark is behind the venue's clock now.", labels=LABELS)
        success = GaugeMetricFamily(
            "perptape_collection_last_success_timestamp_seconds", "When a run last ended without a failure.", labels=LABELS
        )
        state = GaugeMetricFamily("perptape_collection_state", "1 for the state that a collection is in.", labels=[*LABELS, "state"])
        rows = CounterMetricFamily("perptape_collection_rows", "Rows written since the spec was made.", labels=LABELS)
        gaps = GaugeMetricFamily("perptape_collection_gaps", "Holes in what was wanted.", labels=[*LABELS, "kind"])
        ready = GaugeMetricFamily("perptape_spec_ready", "Whether the condition Ready is True.", labels=LABELS[:2])
        for key, status in self.statuses():
            ready.add_metric([*key], float(any(one.type == "Ready" and one.status == "True" for one in status.conditions)))
            for line in status.collections:
                at = [*key, line.exchange, line.dataset]
                state.add_metric([*at, line.state], 1)
                rows.add_metric(at, line.rows or 0)
                for family, text in ((watermark, line.watermark), (success, line.last_success)):
                    instant = clock.ms(text)
                    if instant is not None:
                        family.add_metric(at, instant / 1000)
                mark = clock.ms(line.watermark)
                if mark is not None and line.state != "Suspended":
                    behind = self.now() + self.offset(key, line.exchange, line.dataset) - mark
                    lag.add_metric(at, max(0, behind) / 1000)
                if line.gaps is not None:
                    for kind, count in (("open", line.gaps.open), ("lost", line.gaps.lost), ("unproven", line.gaps.unproven)):
                        gaps.add_metric([*at, kind], count)
        yield from (watermark, lag, success, state, rows, gaps, ready)
