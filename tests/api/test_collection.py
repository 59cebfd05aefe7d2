"""The model: its defaults, and what each rule says."""

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from perptape_api.collection import Collect, Collection, Duration, Every, Liquidations, OpenInterest, Store, load, parse
from perptape_api.names import DATASETS, EXCHANGES, SPEC_FIELD

Document = dict[str, Any]
Refusal = Callable[[Callable[[Document], None]], tuple[str, ...]]


def test_the_defaults_are_those_of_the_design() -> None:
    collect = Collect.model_validate({"openInterest": {}, "funding": {}, "liquidations": {}})
    assert collect.model_dump(by_alias=True) == {
        "openInterest": {"every": "5m", "backfill": "30d", "mode": "auto"},
        "funding": {"every": "1h", "backfill": "365d", "mode": "auto"},
        "liquidations": {"replicas": 2, "logReserve": None},
    }
    store = Store.model_validate({"persistentVolumeClaim": {}})
    assert (store.format, store.published_every) == ("nautilus1", "15m")
    assert Store.model_validate({"s3": {"bucket": "tape"}}).published_every == "1h"


def test_every_example_loads(examples: dict[str, str]) -> None:
    loaded = {name: load(text, name).metadata.name for name, text in examples.items()}
    assert loaded == {"majors": "majors", "quickstart": "quickstart", "replicas": "liquidations", "s3": "bucket", "select": "top50"}


def test_the_quickstart_asks_every_venue_at_its_simulated_endpoint(examples: dict[str, str]) -> None:
    spec = load(examples["quickstart"], "quickstart.yaml").spec
    endpoints = {venue.exchange: venue.endpoint for venue in spec.venues}
    assert endpoints == {exchange: f"http://127.0.0.1:{18101 + index}" for index, exchange in enumerate(EXCHANGES)}
    assert tuple(spec.wanted()) == DATASETS


def test_what_is_wanted_goes_by_its_name_on_the_tape(majors: Document) -> None:
    majors["spec"]["collect"] = {"liquidations": {"replicas": 3}}
    assert parse(majors, "x").spec.wanted() == {"liquidations": Liquidations(replicas=3)}
    assert {SPEC_FIELD[name] for name in DATASETS} == {field.alias for field in Collect.model_fields.values()}


def test_a_collection_cannot_be_changed(majors: Document) -> None:
    collection = parse(majors, "x")
    with pytest.raises(ValidationError, match="frozen"):
        collection.spec.suspend = True  # type: ignore[misc]


@pytest.mark.parametrize(
    ("every", "mode", "resident"), [("5m", "auto", False), ("4m", "auto", True), ("1m", "job", False), ("1d", "resident", True)]
)
def test_auto_stays_resident_only_below_five_minutes(every: str, mode: Any, resident: bool) -> None:
    assert OpenInterest(every=Every(every), mode=mode).resident is resident


@pytest.mark.parametrize(("text", "ms"), [("5m", 300_000), ("12h", 43_200_000), ("30d", 2_592_000_000), ("0d", 0)])
def test_a_duration_knows_its_milliseconds(text: str, ms: int) -> None:
    assert Duration(text).ms == ms


@pytest.mark.parametrize("text", ["", "5", "m", "05m", "-5m", "5 m", "5s", "5M", "1h30m", "5m\n", "٣m"])
def test_what_is_no_duration_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="as in 5m, 12h or 30d"):
        Duration(text)


@pytest.mark.parametrize("text", ["100000d", "100000h", "10000000m"])
def test_a_duration_beyond_the_longest_is_told_the_longest(text: str) -> None:
    with pytest.raises(ValueError, match=f"{text}.* is too long: the most is 9999999m, 99999h or 9999d"):
        Duration(text)
    for most in ("9999999m", "99999h", "9999d"):
        assert Duration(most).ms > 0


RULES: list[tuple[Callable[[Document], Any], str]] = [
    (
        lambda d: d["spec"]["collect"].update(liquidations={"logReserve": "1023Ki"}),
        "spec.collect.liquidations: logReserve must be at least 1Mi, and 16Gi at most",
    ),
    (lambda d: d["spec"]["symbols"].pop("names"), "spec.symbols: give exactly one of names and select"),
    (lambda d: d["spec"]["symbols"].update(select={"quote": "USDT"}), "spec.symbols: give exactly one of names and select"),
    (lambda d: d["spec"].update(symbols={"select": {}}), "spec.symbols.select: select needs at least one of quote, base, match and top"),
    (lambda d: d["spec"].update(symbols={"select": {"match": "(BTC"}}), "spec.symbols.select.match: '(BTC' is not a regular expression: "),
    (lambda d: d["spec"].update(symbols={"select": {"top": 0}}), "spec.symbols.select.top: 0 is not allowed: at least 1"),
    (lambda d: d["spec"]["symbols"].update(names=[]), "spec.symbols.names: has 0 items: at least 1"),
    (lambda d: d["spec"]["symbols"].update(names=[f"A{n}" for n in range(1001)]), "spec.symbols.names: has 1001 items: at most 1000"),
    (lambda d: d["spec"]["symbols"].update(names=["A", "B", "A"]), "spec.symbols.names: names 'A' twice: remove one of them"),
    (lambda d: d["spec"]["symbols"].update(names=["BTC USDT"]), "spec.symbols.names[0]: 'BTC USDT' is not allowed: write one symbol"),
    (lambda d: d["spec"]["symbols"].update(names=["BTC\u2028"]), "spec.symbols.names[0]: 'BTC\\u2028' is not allowed: write one symbol"),
    (lambda d: d["spec"]["symbols"].update(names=[True]), "spec.symbols.names[0]: must be text: put it in quotes"),
    (lambda d: d["spec"].update(collect={}), "spec.collect: collect at least one of openInterest, funding and liquidations"),
    (
        lambda d: d["spec"]["collect"].update(openInterest={"every": "7m"}),
        "spec.collect.openInterest.every: '7m' is not one of 1m, 2m, 3m,",
    ),
    (lambda d: d["spec"]["collect"].update(funding={"backfill": 30}), "spec.collect.funding.backfill: 30 has no unit: write"),
    (
        lambda d: d["spec"]["collect"].update(funding={"mode": "cron"}),
        "spec.collect.funding.mode: 'cron' is not one of auto, job, resident",
    ),
    (
        lambda d: d["spec"]["collect"].update(liquidations={"replicas": 11}),
        "spec.collect.liquidations.replicas: 11 is not allowed: at most 10",
    ),
    (
        lambda d: d["spec"]["collect"].update(liquidations={"replicas": True}),
        "spec.collect.liquidations.replicas: must be a whole number, not True",
    ),
    (lambda d: d["spec"].update(store={}), "spec.store: give exactly one of persistentVolumeClaim and s3"),
    (lambda d: d["spec"]["store"].update(s3={"bucket": "tape"}), "spec.store: give exactly one of persistentVolumeClaim and s3"),
    (
        lambda d: d["spec"].update(store={"s3": {"bucket": "s3://tape"}}),
        "spec.store.s3.bucket: 's3://tape' is not allowed: write the bucket's name alone",
    ),
    (
        lambda d: d["spec"].update(store={"s3": {"bucket": "tape", "prefix": "/prod/"}}),
        "spec.store.s3.prefix: '/prod/' is not allowed: write folder names",
    ),
    (lambda d: d["spec"].update(store={"s3": {"bucket": "tape", "prefix": "a/../b"}}), "spec.store.s3.prefix: 'a/../b' is not allowed"),
    (
        lambda d: d["spec"].update(store={"persistentVolumeClaim": {"size": "0.0Gi"}}),
        "spec.store.persistentVolumeClaim: size must be greater than zero",
    ),
    (
        lambda d: d["spec"].update(store={"persistentVolumeClaim": {"size": "10 GB"}}),
        "spec.store.persistentVolumeClaim.size: '10 GB' is not allowed: write a size",
    ),
    (
        lambda d: d["spec"].update(store={"persistentVolumeClaim": {"claimName": "a", "size": "1Gi"}}),
        "spec.store.persistentVolumeClaim: claimName takes a claim as it is: remove size",
    ),
    (lambda d: d["spec"]["venues"].append({"exchange": "okx"}), "spec.venues: names 'okx' twice: give each exchange once"),
    (lambda d: d["spec"].update(venues=[]), "spec.venues: has 0 items: at least 1"),
    (
        lambda d: d["spec"]["venues"][0].update(exchange="binanse"),
        "spec.venues[0].exchange: 'binanse' is not one of binance, bybit, hyperliquid, okx, deribit; did you mean 'binance'?",
    ),
    (lambda d: d["spec"]["venues"][0].update(credentials={}), "spec.venues[0].credentials.secretName: is missing"),
    (lambda d: d["spec"].update(verify={"every": "1w"}), "spec.verify.every: '1w' is not one of"),
    (lambda d: d["spec"].update(suspend="yes"), "spec.suspend: must be true or false, not 'yes'"),
    (
        lambda d: d["spec"].update(worker={"tolerations": [{"value": "x"}]}),
        "spec.worker.tolerations[0]: without a key the operator must be Exists",
    ),
    (
        lambda d: d["spec"].update(worker={"resources": {"requests": {"cpu": "lots"}}}),
        "spec.worker.resources.requests.cpu: 'lots' is not allowed: write a quantity",
    ),
    (lambda d: d["metadata"].update(name="a" * 64), "metadata.name: has 64 characters, at most 63 are allowed"),
    (lambda d: d["metadata"].update(name="Majors"), "metadata.name: 'Majors' is not allowed: write a name of lower-case letters"),
    (lambda d: d["spec"]["collect"].update(openinterest={}), "spec.collect.openinterest: is no field here; did you mean 'openInterest'?"),
    (lambda d: d["spec"].update(open_interest={}), "spec.open_interest: is no field here; allowed: venues, symbols, collect,"),
]


@pytest.mark.parametrize(("change", "said"), RULES, ids=[said.partition(":")[0] + "-" + str(n) for n, (_, said) in enumerate(RULES)])
def test_a_broken_rule_is_named_by_its_path_and_what_to_do(refusal: Refusal, change: Callable[[Document], None], said: str) -> None:
    lines = refusal(change)
    assert [line for line in lines if line.startswith(said)], lines
    assert all("\n" not in line for line in lines)


@pytest.mark.parametrize(
    "endpoint",
    ["http://127.0.0.1:18101", "https://fapi.example.com", "http://[::1]:65535", "http://my_proxy", "http://venue.svc.cluster.local:80"],
)
def test_an_endpoint_is_scheme_host_and_port(majors: Document, endpoint: str) -> None:
    majors["spec"]["venues"][0]["endpoint"] = endpoint
    assert parse(majors, "x").spec.venues[0].endpoint == endpoint


@pytest.mark.parametrize(
    "endpoint",
    [
        "127.0.0.1:1",
        "ftp://host",
        "http://host/",
        "http://host/fapi",
        "http://host:0",
        "http://host:65536",
        "http://u:p@host",
        "http://host?x",
        "http://host\n",
        "ws://host",
    ],
)
def test_an_endpoint_is_nothing_else(refusal: Refusal, endpoint: str) -> None:
    lines = refusal(lambda d: d["spec"]["venues"][0].update(endpoint=endpoint))
    assert len(lines) == 1
    assert lines[0].startswith("spec.venues[0].endpoint: ")
    assert "write http(s)://host or http(s)://host:port" in lines[0]


def test_all_faults_are_told_at_once(refusal: Refusal) -> None:
    def spoil(document: Document) -> None:
        document["spec"]["collect"]["openInterest"] = {"every": "7m"}
        document["spec"]["venues"][1]["exchange"] = "ftx"
        document["spec"]["symbols"] = {}

    assert len(refusal(spoil)) == 3


def test_python_builds_the_same_by_field_names(majors: Document) -> None:
    collection = parse(majors, "x")
    assert Collection(metadata=collection.metadata, spec=collection.spec) == collection


def test_amounts_may_be_numbers_as_in_a_pod(majors: Document) -> None:
    majors["spec"]["worker"] = {"resources": {"requests": {"cpu": 1}}, "nodeSelector": {"kubernetes.io/arch": "amd64"}}
    worker = parse(majors, "x").spec.worker
    assert worker is not None
    assert worker.resources is not None
    assert worker.resources.requests == {"cpu": "1"}
