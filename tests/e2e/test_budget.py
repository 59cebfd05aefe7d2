"""Two specs in two namespaces on one venue: together they stay within its limit, use it well, and a ban reaches all."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import pytest

from perptape.simulation.contract import Contract
from perptape.simulation.market import Market
from support import watching, workloads
from support.control import Control
from support.inside import Inside
from support.namespace import Namespace, line
from support.specs import VOLUME, collection

Calls = dict[str, list[dict[str, Any]]]
"""Requests in their order, by who made them: the simulator takes all for one address, so that it is seen by what was asked for."""
DERIBIT_HISTORY, DERIBIT_PER_SECOND = "/api/v2/public/get_funding_rate_history", 20.0
"""A worker alone takes 19.1 a second of it: two use 191 % of the limit, which is 52 % of what they would use."""
BINANCE_HISTORY = "/futures/data/openInterestHist"
BAN_S = 30
SPEC_VOLUME = {"name": "spec", "configMap": {"name": "spec"}}
SPEC_MOUNT = {"name": "spec", "mountPath": "/spec"}


@dataclass(frozen=True, slots=True)
class Halves:
    """The contracts that a simulated venue lists now, divided between two specs by their coins."""

    venue: str
    contracts: tuple[Contract, ...]

    @classmethod
    def of(cls, venue: str, coins: int) -> Self:
        contracts = Market.standard(seed=1, symbols=coins).contracts(venue)
        return cls(venue, tuple(contract for contract in contracts if contract.delisted is None))

    def coins(self, name: str) -> list[str]:
        """Those of the spec `one` or `two`."""
        return sorted({contract.base for contract in self.contracts})[name == "two" :: 2]

    def spec(self, name: str, simulated: Inside, collect: dict[str, Any]) -> dict[str, Any]:
        """A spec for its half; the venue may be in another namespace."""
        symbols = [f"{coin}USDT-PERP" for coin in self.coins(name)]
        return collection(name, {self.venue: simulated.anywhere()[self.venue]}, collect, VOLUME, symbols)

    def calls(self, simulated: Control, path: str) -> Calls:
        """Who asked is seen by the contract asked for."""
        coins = {coin: name for name in ("one", "two") for coin in self.coins(name)}
        asker = {contract.id: coins[contract.base] for contract in self.contracts}
        found: Calls = {}
        for call in simulated.data_requests(self.venue):
            if call["path"] == path:
                asked = call["query"].get("symbol") or call["query"]["instrument_name"]
                found.setdefault(asker[asked], []).append(call)
        return found


def refused(found: Calls) -> int:
    return sum(call["status"] == 429 for each in found.values() for call in each)


def without_operator(namespace: Namespace, document: dict[str, Any]) -> None:
    """A worker that takes the whole limit for its own."""
    text = {"spec.json": json.dumps(document)}
    arguments = ["run", "/spec/spec.json", "--once", "--catalog", "/tmp/tape", "--deadline", "80s"]
    worker = workloads.restricted(namespace.images.worker, arguments, volumes=[SPEC_VOLUME], mounts=[SPEC_MOUNT])
    namespace.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "spec"}, "data": text}, workloads.pod("alone", worker))


@pytest.mark.alone
def test_two_specs_share_a_limit_that_they_would_break_alone(namespaces: Callable[..., Namespace]) -> None:
    """Alone, because a machine that is busy with other tests would not reach the limit. Many coins and one short page of each: a
    call that costs little, so that the limit is what the workers wait for."""
    one, two = namespaces(), namespaces()
    halves = Halves.of("deribit", 900)
    simulated = one.venues("--symbols", "900")

    for namespace, name in ((one, "one"), (two, "two")):  # enough of it for ten refusals: each of them stops a worker for seconds
        without_operator(namespace, halves.spec(name, simulated, {"funding": {"every": "1h", "backfill": "90d"}}))
    for namespace in (one, two):
        namespace.until("pod", "alone", lambda pod: pod["status"].get("phase") in ("Succeeded", "Failed"), 180)
    control = halves.calls(simulated, DERIBIT_HISTORY)
    assert len(control) == 2
    assert refused(control) >= 10

    simulated.control("POST", "forget")
    one.operator(f"watch.namespaces={{{one.name},{two.name}}}")
    for namespace, name in ((one, "one"), (two, "two")):
        namespace.apply(halves.spec(name, simulated, {"funding": {"every": "1h", "backfill": "1d"}}))
    for namespace, name in ((one, "one"), (two, "two")):
        namespace.until_told(name, lambda told: line(told, "deribit", "funding").get("lastSuccess"), 400)
    found = halves.calls(simulated, DERIBIT_HISTORY)
    assert len(found) == 2
    assert refused(found) == 0
    start = max(each[0]["at_mono"] for each in found.values()) + 10
    end = min(each[-1]["at_mono"] for each in found.values())
    assert end - start >= 15
    used = sum(start <= call["at_mono"] < end for each in found.values() for call in each)
    assert used >= 0.8 * DERIBIT_PER_SECOND * (end - start)


def test_a_ban_that_one_pod_meets_stops_the_other_within_five_seconds(namespaces: Callable[..., Namespace]) -> None:
    one, two = namespaces(), namespaces()
    halves = Halves.of("binance", 80)
    simulated = one.venues("--symbols", "80")
    one.operator(f"watch.namespaces={{{one.name},{two.name}}}")
    for namespace, name in ((one, "one"), (two, "two")):
        namespace.apply(halves.spec(name, simulated, {"openInterest": {"every": "5m", "backfill": "20d"}}))
    pods = "--selector=perptape.io/dataset=open_interest"
    for namespace in (one, two):
        watching.until_logged(namespace.cluster, namespace.name, pods, "binance open_interest: ", within=300)  # it is at work
    simulated.fault(kind="status", venue="binance", path="openInterestHist", status=418, retry_after=BAN_S, count=1)
    for namespace, name in ((one, "one"), (two, "two")):
        namespace.until_told(name, lambda told: told.get("pauses"), 300)
    for namespace in (one, two):
        told = ("binance open_interest: ", '"wait": true', '"wait": false')
        watching.until_logged(namespace.cluster, namespace.name, pods, *told, within=4 * BAN_S)
    found = halves.calls(simulated, BINANCE_HISTORY)
    (banned,) = [name for name, each in found.items() if any(call["status"] == 418 for call in each)]
    (at,) = [call["done_mono"] for call in found[banned] if call["status"] == 418]
    (other,) = found.keys() - {banned}
    times = [call["at_mono"] for call in found[other]]
    assert any(at - 5 <= time <= at for time in times), "the other pod was not at work when the ban came"
    assert [time - at for time in times if at + 5 < time < at + BAN_S] == []
