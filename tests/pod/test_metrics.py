"""What Prometheus is told, read as Prometheus reads it."""

import re
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from perptape.collect.outcome import Outcome
from perptape.collect.stream_batch import Counts
from perptape.collect.stream_report import LiveReport
from perptape.collect.summary import Summary
from perptape.pod import metrics

DOCS = Path(__file__).parents[2] / "docs/metrics.md"


def summary():
    live = LiveReport(
        "bybit", "liquidations", 2, Counts(7, 1, 2, 3, 4, 1_700_000_000_500, 120), places=2, connected=1, durable_until=1_700_000_000_000
    )
    stream = Outcome("bybit", "liquidations", instruments=2, live=live)
    stream.listened()
    fetch = Outcome("okx", "open_interest", rows=50, calls=9, remaining=4, dropped=1, error='it says "no"\\\nand more')
    return Summary("majors", "pod-1", started=1_700_000_000_000, outcomes=[stream, fetch], pauses={"okx": 1_700_000_060_000})


def samples(text):
    found = {}
    for family in text_string_to_metric_families(text):
        assert family.type in ("counter", "gauge")
        for sample in family.samples:
            found[sample.name, *sorted(sample.labels.values())] = sample.value
    return found


def test_prometheus_reads_every_figure():
    found = samples(metrics.text(summary(), ready=True))
    assert found["perptape_ready",] == 1
    assert found["perptape_rows_total", "bybit", "liquidations"] == 7
    assert found["perptape_rows_total", "okx", "open_interest"] == 50
    assert found["perptape_dropped_total", "bybit", "liquidations"] == 3
    assert found["perptape_calls_total", "okx", "open_interest"] == 9
    assert ("perptape_calls_total", "bybit", "liquidations") not in found
    assert found["perptape_stream_connections", "bybit"] == 1
    assert found["perptape_stream_connections_wanted", "bybit"] == 2
    assert found["perptape_stream_event_lag_seconds", "bybit"] == 0.12
    assert found["perptape_stream_last_event_timestamp_seconds", "bybit"] == 1_700_000_000.5
    assert found["perptape_venue_paused_until_timestamp_seconds", "okx"] == 1_700_000_060
    assert found["perptape_collection_failing", "okx", "open_interest"] == 1


def test_the_share_of_a_venues_limit_is_told_where_somebody_shares_it_out():
    assert not [one for one in samples(metrics.text(summary(), ready=True)) if "budget" in one[0]]
    found = samples(metrics.text(summary(), ready=True, shares={"bybit": 0.25, "okx": 0.0}))
    assert found["perptape_venue_budget_share_ratio", "bybit"] == 0.25
    assert found["perptape_venue_budget_share_ratio", "okx"] == 0, "nothing may be asked now"


def test_names_have_their_units_and_counters_end_in_total():
    for family in metrics.families(summary(), ready=False):
        assert re.fullmatch(r"perptape_[a-z_]+", family.name)
        assert (family.kind == "counter") == family.name.endswith("_total")
        assert family.means.endswith(".")


def test_the_docs_name_them_all():
    documented = set(re.findall(r"^\| `(perptape_\w+)` \|", DOCS.read_text(), re.MULTILINE))
    assert {family.name for family in metrics.families(summary(), ready=False, shares={})} <= documented
