"""What the operator serves: to pods their share and the pauses of their venue, to the kubelet whether it lives."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from perptape_operator.budget import LEARNING_S
from perptape_operator.cluster import ClusterError
from perptape_operator.kinds import COLLECTION, POD
from perptape_operator.operation import TOLERATED_S
from perptape_operator.server import application

NS = "trading"
URL = "/v1/venues/binance/budget"
Ask = Callable[..., Awaitable[tuple[int, dict[str, Any]]]]


def pod(name: str, address: str, identity: str = "ns.perptape", **changes: Any) -> dict[str, Any]:
    labels = {"perptape.io/operator": identity, "perptape.io/spec": "majors", "perptape.io/exchange": "binance"}
    owner = {"kind": "Job", "name": "a-run", "uid": "uid-run", "controller": True}
    metadata = {"name": name, "namespace": NS, "uid": f"uid-{name}", "resourceVersion": "1", "labels": labels, "ownerReferences": [owner]}
    metadata |= changes
    return {"apiVersion": "v1", "kind": POD.name, "metadata": metadata, "spec": {}, "status": {"phase": "Running", "podIP": address}}


@pytest.fixture
async def served(world: Any) -> AsyncIterator[Any]:
    """A started operator behind its server; what it does by itself is left out."""
    world.cluster.watchers.clear()
    async with TestClient(TestServer(application(world.operation))) as client:
        world.client = client
        yield world


async def started(world: Any, *pods: dict[str, Any]) -> None:
    await world.operation.start()
    await asyncio.sleep(0)
    await world.operation.stop()
    world.operation.stopped = False  # only what it does by itself is left out
    if pods and not world.operation.cache.specs():
        world.operation.seen("ADDED", world.spec(venues=[{"exchange": "binance"}], collect={"openInterest": {}}))
    for one in pods:
        world.operation.cache.put(one)


async def post(world: Any, body: Any = None, url: str = URL) -> tuple[int, dict[str, Any]]:
    data = body if isinstance(body, str | bytes) else None
    async with world.client.post(url, data=data, json=None if data is not None else body or {}) as answer:
        return answer.status, await answer.json() if answer.content_type == "application/json" else {}


async def test_a_pod_is_told_its_share_once_the_operator_has_heard_the_others(served: Any) -> None:
    await started(served, pod("a", "127.0.0.1"))
    status, answer = await post(served, {"held": 0.0})
    assert (status, answer["wait"], answer["share"]) == (200, True, 0.0)
    served.at += int(LEARNING_S * 1000)
    status, answer = await post(served, {"held": 0.0})
    assert (status, answer["wait"], round(answer["share"], 9)) == (200, False, 1.0)


async def test_before_it_has_looked_at_the_cluster_it_answers_nobody(served: Any) -> None:
    served.operation.cache.put(pod("a", "127.0.0.1"))
    assert (await post(served))[0] == 503, "and not that it does not know the pod"


async def test_only_pods_that_it_knows_are_answered_and_others_are_counted(served: Any) -> None:
    await started(served)
    served.operation.cache.put(pod("a", "10.1.2.3"))
    assert (await post(served))[0] == 403
    text = await (await served.client.get("/metrics")).text()
    assert 'perptape_operator_budget_posts_total{outcome="unknown",venue="binance"} 1.0' in text


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"labels": {"perptape.io/operator": "ns.perptape", "perptape.io/spec": "majors"}}, "asks no venue"),
        ({"labels": {"perptape.io/operator": "ns.perptape", "perptape.io/spec": "majors", "perptape.io/exchange": "okx"}}, "asks another"),
        ({"labels": {"perptape.io/operator": "ns.perptape", "perptape.io/spec": "mine", "perptape.io/exchange": "binance"}}, "of no spec"),
        ({"namespace": "tenant-b"}, "of no spec there"),
        ({"ownerReferences": []}, "made by a hand"),
    ],
)
async def test_a_pod_that_is_no_collector_of_the_venue_pauses_nobody(served: Any, changes: dict[str, Any], why: str) -> None:
    await started(served, pod("a", "127.0.0.1", **changes))
    assert (await post(served, {"pause_s": 259_200}))[0] == 403, why
    assert served.operation.pauses.known() == {}


@pytest.mark.parametrize(
    "body",
    ["no JSON", '{"held": 7}', '{"trouble": "' + "x" * 301 + '"}', '{"pause_s": 1e300}', '{"refused": 200}', '{"held": NaN}', "[" * 2000],
)
async def test_a_post_that_lies_is_refused(served: Any, body: str) -> None:
    await started(served, pod("a", "127.0.0.1"))
    assert (await post(served, body))[0] == 400
    assert served.operation.pauses.ledgers == {}


async def test_a_huge_post_is_refused(served: Any) -> None:
    await started(served, pod("a", "127.0.0.1"))
    assert (await post(served, "x" * 10_000))[0] == 413


async def test_a_venue_that_is_none_has_no_budget(served: Any) -> None:
    await started(served)
    assert (await post(served, url="/v1/venues/ftx/budget"))[0] == 404


async def test_a_ban_that_one_pod_meets_is_told_to_the_next_that_asks_and_to_the_specs(served: Any) -> None:
    await started(served, pod("a", "127.0.0.1"))
    served.at += int(LEARNING_S * 1000)
    await post(served, {"refused": 418, "pause_s": 600})
    served.operation.cache.drop(POD.name, NS, "a", "uid-a")
    served.operation.cache.put(pod("b", "127.0.0.1"))
    served.at += 2_000
    _, answer = await post(served)
    assert (answer["wait"], answer["pause_s"]) == (True, 598.0)
    await served._settle(0.0, 400)
    assert [one["exchange"] for one in served.status()["pauses"]] == ["binance"]


async def test_a_restarted_operator_knows_the_bans_that_are_in_status(served: Any) -> None:
    served.spec(venues=[{"exchange": "binance"}], collect={"openInterest": {}})
    until = {"exchange": "binance", "until": "2099-01-01T00:00:00Z"}
    served.cluster.edit(COLLECTION, NS, "majors", lambda m: m.update(status={"pauses": [until]}))
    await started(served, pod("a", "127.0.0.1"))
    served.at += int(LEARNING_S * 1000)
    _, answer = await post(served)
    assert answer["wait"]
    assert 0 < answer["pause_s"] <= 3 * 86_400, "and believes no ban of years"


async def at_work(served: Any) -> None:
    """A spec, and a pod of its that runs where posts come from."""
    await started(served)
    served.operation.seen("ADDED", served.spec(venues=[{"exchange": "binance"}], collect={"openInterest": {"every": "5m"}}))
    await served._settle(0.0, 400)
    made = served.run("majors-binance-open-interest", state={"running": {}})
    running = {"phase": "Running", "podIP": "127.0.0.1", "startTime": served.cluster.now()}
    served.operation.seen("ADDED", served.cluster.edit(POD, NS, made["metadata"]["name"], lambda m: m.update(status=running)))


async def test_what_a_pod_says_of_its_venue_reaches_the_status_of_its_spec(served: Any) -> None:
    await at_work(served)
    assert (await post(served, {"trouble": "okx: HTTP 503"}, "/v1/venues/okx/budget"))[0] == 403
    await served._settle(0.0, 400)
    assert served.line("binance", "open_interest")["reason"] == "Running", "a pod speaks of the venue that it asks"
    assert (await post(served, {"trouble": "binance: HTTP 503: away"}))[0] == 200
    await served._settle(0.0, 400)
    line = served.line("binance", "open_interest")
    assert (line["state"], line["reason"], "binance: HTTP 503: away" in line["message"]) == ("Failing", "NotAnswered", True)


async def test_words_that_change_at_every_post_are_not_written_at_every_post(served: Any) -> None:
    await at_work(served)
    await served._settle(0.0, 400)
    before = served.cluster.writes.count(("status", COLLECTION.name, "majors"))
    for index in range(60):  # two minutes
        await post(served, {"trouble": f"binance: HTTP 403: request {'abcdefghij'[index % 10]}"})
        await served._settle(2.0, 400)
    assert served.cluster.writes.count(("status", COLLECTION.name, "majors")) - before == 2
    await post(served, {})
    await served._settle(0.0, 400)
    assert served.line("binance", "open_interest")["reason"] == "Waiting", "that it answers again is told at once"


async def test_a_scrape_that_takes_long_keeps_no_pod_waiting(served: Any) -> None:
    await started(served, pod("a", "127.0.0.1"))
    answered = threading.Event()

    class Slow(Collector):
        def collect(self) -> Iterator[Metric]:
            yield GaugeMetricFamily("answered", "Whether a pod was answered meanwhile.", value=float(answered.wait(10)))

        def describe(self) -> Iterator[Metric]:
            return iter(())

    served.operation.counters.registry.register(Slow())
    scrape = asyncio.create_task(served.client.get("/metrics"))
    await asyncio.sleep(0)
    assert (await post(served))[0] == 200
    answered.set()
    assert "answered 1.0" in await (await scrape).text()


async def test_it_lives_while_it_lists_and_bears_an_absent_server_for_ten_minutes(served: Any) -> None:
    async def lives() -> int:
        return (await served.client.get("/healthz")).status

    assert (await served.client.get("/readyz")).status == 503
    await started(served)
    assert (await served.client.get("/readyz")).status == 200
    served.cluster.fail = lambda verb, kind, name: ClusterError("away", 0)
    served.at += int(served.settings.resync_s + TOLERATED_S - 1) * 1000
    assert await lives() == 200
    served.at += 2_000
    assert await lives() == 503
    served.cluster.fail = lambda verb, kind, name: None
    await served.operation.resync()
    assert await lives() == 200
