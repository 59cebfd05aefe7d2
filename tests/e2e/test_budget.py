"""Specs in several namespaces on one venue: together they stay within its limit, use it well, and a ban reaches all."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
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
"""Requests in their order, by the spec for which they were made, which is seen by what was asked for."""
DERIBIT_HISTORY, DERIBIT_PER_SECOND = "/api/v2/public/get_funding_rate_history", 20.0
"""A worker alone takes 19.1 a second of it: two use 191 % of the limit, which is 52 % of what they would use."""
BINANCE_HISTORY = "/futures/data/openInterestHist"
BAN_S = 60
SPEC_VOLUME = {"name": "spec", "configMap": {"name": "spec"}}
SPEC_MOUNT = {"name": "spec", "mountPath": "/spec"}


@dataclass(frozen=True, slots=True)
class Shares:
    """The contracts that a simulated venue lists now, divided among specs by their coins."""

    venue: str
    contracts: tuple[Contract, ...]
    names: tuple[str, ...]
    """Of the specs."""

    @classmethod
    def of(cls, venue: str, coins: int, *names: str) -> Self:
        contracts = Market.standard(seed=1, symbols=coins).contracts(venue)
        return cls(venue, tuple(contract for contract in contracts if contract.delisted is None), names)

    def coins(self, name: str) -> list[str]:
        """Those of a spec."""
        return sorted({contract.base for contract in self.contracts})[self.names.index(name) :: len(self.names)]

    def spec(self, name: str, simulated: Inside, collect: dict[str, Any]) -> dict[str, Any]:
        """A spec for its share; the venue may be in another namespace."""
        symbols = [f"{coin}USDT-PERP" for coin in self.coins(name)]
        return collection(name, {self.venue: simulated.anywhere()[self.venue]}, collect, VOLUME, symbols)

    def calls(self, simulated: Control, path: str) -> Calls:
        """Who asked is seen by the contract asked for."""
        coins = {coin: name for name in self.names for coin in self.coins(name)}
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
    arguments = ["run", "/spec/spec.json", "--once", "--catalog", "/tmp/tape", "--deadline", "180s"]
    worker = workloads.restricted(namespace.images.worker, arguments, volumes=[SPEC_VOLUME], mounts=[SPEC_MOUNT])
    namespace.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "spec"}, "data": text}, workloads.pod("alone", worker))


@pytest.mark.alone
def test_two_specs_share_a_limit_that_they_would_break_alone(namespaces: Callable[..., Namespace], by_itself: Callable[[], None]) -> None:
    """Alone, because a machine that is busy with other tests would not reach the limit. Many coins and one short page of each: a
    call that costs little, so that the limit is what the workers wait for."""
    one, two = namespaces(), namespaces()
    shares = Shares.of("deribit", 900, "one", "two")
    simulated = one.venues("--symbols", "900")
    one.operator(f"watch.namespaces={{{one.name},{two.name}}}")
    by_itself()

    for namespace, name in ((one, "one"), (two, "two")):  # enough of it for ten refusals: each of them stops a worker for seconds
        without_operator(namespace, shares.spec(name, simulated, {"funding": {"every": "1h", "backfill": "90d"}}))
    control: Calls = {}
    end = time.monotonic() + 180
    while len(control) < 2 or refused(control) < 10:
        assert time.monotonic() < end, f"{refused(control)} refusals, of {sorted(control)}"
        time.sleep(2)
        control = shares.calls(simulated, DERIBIT_HISTORY)
    for namespace in (one, two):
        namespace.kubectl("delete", "pod", "alone", "--now")

    simulated.control("POST", "forget")
    for namespace, name in ((one, "one"), (two, "two")):
        namespace.apply(shares.spec(name, simulated, {"funding": {"every": "1h", "backfill": "1d"}}))
    for namespace, name in ((one, "one"), (two, "two")):
        namespace.until_told(name, lambda told: line(told, "deribit", "funding").get("lastSuccess"), 400)
    found = shares.calls(simulated, DERIBIT_HISTORY)
    assert len(found) == 2
    assert refused(found) == 0
    start = max(each[0]["at_mono"] for each in found.values()) + 10
    end = min(each[-1]["at_mono"] for each in found.values())
    assert end - start >= 15
    used = sum(start <= call["at_mono"] < end for each in found.values() for call in each)
    assert used >= 0.8 * DERIBIT_PER_SECOND * (end - start)


def test_a_ban_that_one_pod_meets_stops_all_within_five_seconds_and_one_that_starts_then_asks_nothing(
    namespaces: Callable[..., Namespace],
) -> None:
    names = ("one", "two", "three")
    homes = {name: namespaces() for name in names}
    one, shares = homes["one"], Shares.of("binance", 120, *names)
    simulated = one.venues("--symbols", "120")
    one.operator(f"watch.namespaces={{{','.join(home.name for home in homes.values())}}}")
    for name, home in homes.items():
        home.apply(shares.spec(name, simulated, {"openInterest": {"every": "5m", "backfill": "20d"}}))
    pods = "--selector=perptape.io/dataset=open_interest"
    for home in homes.values():
        watching.until_logged(home.cluster, home.name, pods, "binance open_interest: ", within=300)  # it is at work
    simulated.fault(kind="status", venue="binance", path="openInterestHist", status=418, retry_after=BAN_S, count=1)
    for name, home in homes.items():
        home.until_told(name, lambda told: told.get("pauses"), 300)
    one.kubectl("create", "job", "late", "--from=cronjob/one-binance-open-interest")
    watching.until_logged(one.cluster, one.name, "job/late", '"wait": true', '"wait": false', within=4 * BAN_S)
    for home in homes.values():
        told = ("binance open_interest: ", '"wait": true', '"wait": false')
        watching.until_logged(home.cluster, home.name, pods, *told, within=4 * BAN_S)

    found = shares.calls(simulated, BINANCE_HISTORY)
    (banned,) = [name for name, each in found.items() if any(call["status"] == 418 for call in each)]
    (ban,) = [call for call in found[banned] if call["status"] == 418]
    at = ban["done_mono"]
    assert len({call["peer"] for each in found.values() for call in each}) >= 3  # an address is a pod's, hence a process'
    for other in found.keys() - {banned}:
        assert any(at - 10 <= call["at_mono"] <= at for call in found[other]), f"the pod of {other} was not at work when the ban came"
    every = [call["at_mono"] - at for call in simulated.data_requests("binance")]  # whoever asked, and whatever
    assert [after for after in every if 5 < after < BAN_S] == []
    own = [call["at_mono"] - at for call in simulated.data_requests("binance") if call["peer"] == ban["peer"]]
    stalls = simulated.control("GET", "stalls")  # of the venue, on a busy machine: what came in them it saw so much later
    unread = max((late for end, late in stalls if at - 1 < end < at + 1), default=0.0)
    assert [after for after in own if 0.25 + unread < after < BAN_S] == []  # what was on its way then is not new
    (late,) = one.get("pods", "--selector", "job-name=late")["items"]
    state = late["status"]["containerStatuses"][0]["state"]
    started = datetime.fromisoformat((state.get("running") or state["terminated"])["startedAt"]).timestamp()
    assert ban["at"] / 1000 < started < ban["at"] / 1000 + BAN_S - 5
