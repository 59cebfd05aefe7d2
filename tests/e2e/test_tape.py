"""From `kubectl apply` to rows: what is on the tape is the simulator's truth, and the status says so. On a volume, and on S3."""

import itertools
from typing import Any

import pytest

from perptape.simulation.market import Market
from support import reader, served
from support.control import Control
from support.namespace import Namespace, condition, ending, line
from support.reader import Reader
from support.specs import VOLUME, collection, some

COLLECT: dict[str, Any] = {"openInterest": {"every": "5m", "backfill": "1d"}, "funding": {"every": "1h", "backfill": "7d"}}
CHILDREN = {
    "ConfigMap/majors-collection",
    "CronJob/majors-binance-funding",
    "CronJob/majors-binance-open-interest",
    "CronJob/majors-bybit-funding",
    "CronJob/majors-bybit-open-interest",
    "CronJob/majors-publish",
    "NetworkPolicy/majors-network",
    "PersistentVolumeClaim/majors-tape",
}


def collecting(status: dict[str, Any]) -> bool:
    """Everything works, and it is known how far."""
    return condition(status, "Ready").get("reason") == "Collecting" and "watermark" in (status.get("summary") or {})


def holds_the_truth(tape: Reader, simulated: Control, venue: str) -> None:
    """Open interest and settled rates of BTCUSDT are the simulator's, wherever the tape claims to be complete."""
    (standing,) = tape.standing("open_interest", venue)
    start, end = reader.ms(standing["first"]), reader.ms(standing["watermark"])
    truth, rows = simulated.open_interest(venue, "BTCUSDT", start, end), tape.open_interest("BTCUSDT-PERP", venue)
    assert len(truth) >= 280
    assert {time: rows.get(time) for time in truth} == truth
    settled, rates = simulated.funding(venue, "BTCUSDT", start, end), tape.funding("BTCUSDT-PERP", venue)
    assert len(settled) >= 2
    assert {time: rates.get(time) for time in settled} == settled


def tells_the_truth(namespace: Namespace, tape: Reader, spec: str, venue: str) -> None:
    """The entry of open interest comes to say what is on the tape."""
    rows, (standing,) = tape.open_interest("BTCUSDT-PERP", venue), tape.standing("open_interest", venue)
    status = namespace.until_told(spec, lambda told: line(told, venue, "open_interest")["rows"] == len(rows))
    told = line(status, venue, "open_interest")
    assert told["watermark"] == standing["watermark"]
    assert told["gaps"] == {"open": 0, "lost": 0, "unproven": 0}


def test_a_volume_is_filled_by_an_operator_of_one_namespace(namespace: Namespace) -> None:
    simulated = namespace.venues("--symbols", "3")
    namespace.operator()
    assert "ClusterRole" not in namespace.cluster.helm("get", "manifest", "perptape", "--namespace", namespace.name)
    namespace.apply(collection("majors", some(simulated.endpoints, "binance", "bybit"), COLLECT, VOLUME))
    namespace.until_told("majors", collecting, 300)
    children = namespace.children("majors")
    assert set(children) == CHILDREN
    (uid,) = {owner["uid"] for child in children.values() for owner in child["metadata"].get("ownerReferences", ())}
    assert uid == namespace.get("collectionspec", "majors")["metadata"]["uid"]
    assert "ownerReferences" not in children["PersistentVolumeClaim/majors-tape"]["metadata"]

    tape = reader.of_claim(namespace, "majors-tape")
    for venue in ("binance", "bybit"):
        holds_the_truth(tape, simulated, venue)
        tells_the_truth(namespace, tape, "majors", venue)

    published = namespace.run_now("majors-publish", "publish-now")
    assert ending(published) == "Complete"
    tape.sound()
    for venue in ("binance", "bybit"):
        holds_the_truth(tape, simulated, venue)
    header, row = namespace.kubectl("get", "cspec").splitlines()
    assert header.split() == ["NAME", "READY", "VENUES", "LAG", "GAPS", "AGE"]
    assert row.split()[:3] == ["majors", "True", "2/2"]


@pytest.mark.waits
def test_a_bucket_is_filled_by_runs_that_the_controller_starts(home: Namespace) -> None:
    """The one test that waits for a CronJob's own run."""
    simulated, s3 = home.venues("--symbols", "3"), home.bucket()
    collect = {"openInterest": {"every": "5m", "backfill": "1d"}, "funding": {"every": "1m", "mode": "job", "backfill": "7d"}}
    home.apply(collection("bucket", some(simulated.endpoints, "binance"), collect, {"s3": {**s3, "prefix": "prod"}}))
    home.until_told("bucket", collecting, 300)
    scheduled = home.until("cronjob", "bucket-binance-funding", lambda one: one["status"].get("lastSuccessfulTime"), 150)
    assert scheduled["spec"]["schedule"] == "* * * * *"
    started = reader.ms(scheduled["status"]["lastScheduleTime"])
    status = home.until_told("bucket", lambda told: reader.ms(line(told, "binance", "funding")["lastRun"]) >= started)
    assert line(status, "binance", "funding")["state"] == "Ok"
    tape = reader.of_bucket(home, s3, "prod")
    holds_the_truth(tape, simulated, "binance")
    assert ending(home.run_now("bucket-publish", "publish-now")) == "Complete"
    tape.sound()
    holds_the_truth(tape, simulated, "binance")


def test_an_outage_of_three_intervals_is_filled_by_the_next_run(home: Namespace) -> None:
    simulated = home.venues("--symbols", "3")
    home.apply(collection("gap", some(simulated.endpoints, "bybit"), {"openInterest": {"every": "5m", "backfill": "1d"}}, VOLUME))
    before = line(home.until_told("gap", collecting, 300), "bybit", "open_interest")
    simulated.skew(bybit=3 * 5 * 60_000)
    assert ending(home.run_now("gap-bybit-open-interest", "after-the-outage")) == "Complete"
    after = line(
        home.until_told("gap", lambda told: line(told, "bybit", "open_interest")["watermark"] > before["watermark"]),
        "bybit",
        "open_interest",
    )
    assert reader.ms(after["watermark"]) - reader.ms(before["watermark"]) >= 3 * 5 * 60_000
    assert after["gaps"] == {"open": 0, "lost": 0, "unproven": 0}
    tape = reader.of_claim(home, "gap-tape")
    times = sorted(tape.open_interest("BTCUSDT-PERP", "bybit"))
    assert [later - earlier for earlier, later in itertools.pairwise(times)] == [5 * 60_000] * (len(times) - 1)


def test_a_spec_of_five_hundred_symbols_works(home: Namespace) -> None:
    simulated = home.venues("--symbols", "500")
    names = [f"{contract.base}USDT-PERP" for contract in Market.standard(seed=1, symbols=500).contracts("bybit")][:500]
    assert len(names) == 500
    home.apply(collection("many", some(simulated.endpoints, "bybit"), {"openInterest": {"every": "1h", "backfill": "1h"}}, VOLUME, names))
    status = home.until_told("many", lambda told: line(told, "bybit", "open_interest").get("lastSuccess"), 400)
    assert line(status, "bybit", "open_interest")["instruments"]["collected"] == 500


@pytest.mark.waits
def test_a_resident_collector_follows_what_is_selected_and_all_of_it_is_scraped(home: Namespace) -> None:
    simulated = home.venues("--symbols", "6")
    document = collection("chosen", some(simulated.endpoints, "bybit"), {"funding": {"every": "1m", "backfill": "1d"}}, VOLUME)
    document["spec"]["symbols"] = {"select": {"quote": "USDT", "top": 2, "by": "openInterest"}}
    home.apply(document)
    status = home.until_told("chosen", lambda told: line(told, "bybit", "funding").get("lastSuccess"), 300)
    told = line(status, "bybit", "funding")
    assert (told["child"], told["schedule"]) == ("deployment/chosen-bybit-funding", "resident, every 1m")
    assert (told["instruments"]["wanted"], told["instruments"]["collected"]) == (2, 2)
    assert [name for name in home.children("chosen") if name.startswith(("CronJob/", "Deployment/"))] == [
        "CronJob/chosen-publish",
        "Deployment/chosen-bybit-funding",
    ]
    later = home.until_told("chosen", lambda one: line(one, "bybit", "funding")["lastRun"] > told["lastRun"], 180)
    assert line(later, "bybit", "funding")["state"] == "Ok"
    tape = reader.of_claim(home, "chosen-tape")
    assert len(tape.standing("funding", "bybit")) == 2

    (pod,) = home.get("pods", "--selector", "perptape.io/child=bybit-funding")["items"]
    collectors = home.scraped(f"pods/{pod['metadata']['name']}:8080")
    assert collectors['perptape_instruments{dataset="funding",venue="bybit"}'] == 2
    operators = served.operators(home).scraped("services/perptape:8080")
    labels = f'dataset="funding",exchange="bybit",namespace="{home.name}",spec="chosen"'
    assert operators[f"perptape_collection_rows_total{{{labels}}}"] >= 2
    assert operators[f'perptape_spec_ready{{namespace="{home.name}",spec="chosen"}}'] == 1
