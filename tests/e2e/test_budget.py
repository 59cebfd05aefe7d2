"""Two specs in two namespaces on one venue: together they stay within its limit, use it well, and a ban reaches all."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from perptape.simulation.market import Market
from support import workloads
from support.control import Control
from support.inside import Inside
from support.namespace import Namespace, line
from support.specs import VOLUME, collection

Calls = dict[str, list[dict[str, Any]]]
"""Requests in their order, by who made them: the simulator takes all for one address, so that it is seen by what was asked for."""
DERIBIT_HISTORY, DERIBIT_PER_SECOND = "/api/v2/public/get_funding_rate_history", 20.0
COINS = 80
BINANCE_HISTORY = "/futures/data/openInterestHist"
SPEC_VOLUME = {"name": "spec", "configMap": {"name": "spec"}}
SPEC_MOUNT = {"name": "spec", "mountPath": "/spec"}


def spec(name: str, simulated: Inside, venue: str, collect: dict[str, Any]) -> dict[str, Any]:
    """A spec for its half of the coins of a venue that may be in another namespace."""
    symbols = sorted(f"{base}USDT-PERP" for base in halves(venue)[name])
    return collection(name, {venue: simulated.anywhere()[venue]}, collect, VOLUME, symbols)


def halves(venue: str) -> dict[str, set[str]]:
    """The coins that a simulated venue lists, divided between the two specs."""
    bases = sorted({contract.base for contract in Market.standard(seed=1, symbols=COINS).contracts(venue)})
    return {"one": set(bases[::2]), "two": set(bases[1::2])}


def whose(venue: str, call: dict[str, Any]) -> str:
    """Which spec asked, by the contract asked for."""
    asked = call["query"].get("symbol") or call["query"]["instrument_name"]
    base = next(one.base for one in Market.standard(seed=1, symbols=COINS).contracts(venue) if one.id == asked)
    return next(name for name, bases in halves(venue).items() if base in bases)


def calls(simulated: Control, venue: str, path: str) -> Calls:
    found: Calls = {}
    for call in simulated.data_requests(venue):
        if call["path"] == path:
            found.setdefault(whose(venue, call), []).append(call)
    return found


def refused(found: Calls) -> int:
    return sum(call["status"] == 429 for each in found.values() for call in each)


def without_operator(namespace: Namespace, document: dict[str, Any]) -> None:
    """A worker that takes the whole limit for its own."""
    text = {"spec.json": json.dumps(document)}
    arguments = ["run", "/spec/spec.json", "--once", "--catalog", "/tmp/tape", "--deadline", "45s"]
    worker = workloads.restricted(namespace.images.worker, arguments, volumes=[SPEC_VOLUME], mounts=[SPEC_MOUNT])
    namespace.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "spec"}, "data": text}, workloads.pod("alone", worker))


@pytest.mark.alone
def test_two_specs_share_a_limit_that_they_would_break_alone(namespaces: Callable[[], Namespace]) -> None:
    """Alone, because a machine that is busy with other tests would not reach the limit."""
    one, two = namespaces(), namespaces()
    simulated = one.venues("--symbols", str(COINS))
    documents = [spec(name, simulated, "deribit", {"funding": {"every": "1h", "backfill": "365d"}}) for name in ("one", "two")]

    for namespace, document in zip((one, two), documents, strict=True):
        without_operator(namespace, document)
    for namespace in (one, two):
        namespace.until("pod", "alone", lambda pod: pod["status"].get("phase") in ("Succeeded", "Failed"), 180)
    assert refused(calls(simulated, "deribit", DERIBIT_HISTORY)) >= 10

    simulated.control("POST", "forget")
    one.operator(f"watch.namespaces={{{one.name},{two.name}}}")
    for namespace, document in zip((one, two), documents, strict=True):
        namespace.apply(document)
    for namespace, name in ((one, "one"), (two, "two")):
        namespace.until_told(name, lambda told: line(told, "deribit", "funding").get("lastSuccess"), 400)
    found = calls(simulated, "deribit", DERIBIT_HISTORY)
    assert len(found) == 2
    assert refused(found) == 0
    start = max(each[0]["at_mono"] for each in found.values()) + 10
    end = min(each[-1]["at_mono"] for each in found.values())
    assert end - start >= 15
    used = sum(start <= call["at_mono"] < end for each in found.values() for call in each)
    assert used >= 0.8 * DERIBIT_PER_SECOND * (end - start)


def test_a_ban_that_one_pod_meets_stops_the_other_within_five_seconds(namespaces: Callable[[], Namespace]) -> None:
    one, two = namespaces(), namespaces()
    simulated = one.venues("--symbols", str(COINS))
    one.operator(f"watch.namespaces={{{one.name},{two.name}}}")
    simulated.fault(kind="status", venue="binance", path="openInterestHist", status=418, retry_after=60, after=150, count=1)
    collect = {"openInterest": {"every": "5m", "backfill": "10d"}}
    for namespace, name in ((one, "one"), (two, "two")):
        namespace.apply(spec(name, simulated, "binance", collect))
    for namespace, name in ((one, "one"), (two, "two")):
        namespace.until_told(name, lambda told: told.get("pauses"), 300)
        namespace.until_told(name, lambda told: line(told, "binance", "open_interest").get("lastRun"), 300)
    found = calls(simulated, "binance", BINANCE_HISTORY)
    (banned,) = [name for name, each in found.items() if any(call["status"] == 418 for call in each)]
    (at,) = [call["done_mono"] for call in found[banned] if call["status"] == 418]
    (other,) = found.keys() - {banned}
    times = [call["at_mono"] for call in found[other]]
    assert any(at - 5 <= time <= at for time in times), "the other pod was not at work when the ban came"
    assert [time - at for time in times if at + 5 < time < at + 60] == []
