"""What streamers hear during trouble is in the tape: rollouts, lost pods, stores away, silent topics, a node that restarts, in a burst."""

import json
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from support import reader
from support.inside import Inside
from support.namespace import Namespace, ending, line
from support.node import PAIR, losable, restarted
from support.specs import collection, some

RATE = 20
QUIET_LIMIT = 300.0
"""Seconds of silence for which Bybit's liquidations count as proven; then a second connection listens."""
NODE = "kubernetes.io/hostname"
Event = tuple[int, float]


@dataclass(frozen=True, slots=True)
class Streaming:
    """A spec of two streamers on two nodes, and the venue that they hear."""

    home: Namespace
    simulated: Inside
    document: dict[str, Any]
    s3: dict[str, Any]

    @property
    def name(self) -> str:
        return str(self.document["metadata"]["name"])

    @property
    def labels(self) -> str:
        return f"perptape.io/spec={self.name},perptape.io/dataset=liquidations"

    @property
    def deployment(self) -> str:
        return f"{self.name}-bybit-liquidations"

    def pods(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.home.get("pods", "--selector", self.labels)["items"]
        return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]

    def apply(self, **spec: Any) -> None:
        self.home.apply({**self.document, "spec": {**self.document["spec"], **spec}})

    def burst(self, seconds: float) -> None:
        self.simulated.control("POST", "burst", {"venue": "bybit", "contracts": ["BTCUSDT"], "rate": RATE, "seconds": seconds})

    def until_sent(self, more: int) -> None:
        """Comes back when so many more events of the burst were sent, by the simulator's count."""
        wanted = self.sent() + more
        end = time.monotonic() + 4 * more / RATE
        while self.sent() < wanted:
            assert time.monotonic() < end, "the burst does not keep its pace"
            time.sleep(1)

    def sent(self) -> int:
        """Events of the burst so far."""
        (burst,) = self.simulated.control("GET", "bursts")
        assert not burst["finished"], "the burst was over before the trouble was"
        return int(burst["events"])

    def again(self, pod: dict[str, Any], within: float = 300) -> None:
        """Comes back when the very pod was started again, with the log that it left, and is ready."""
        uid = pod["metadata"]["uid"]

        def holds(one: dict[str, Any]) -> bool:
            return one["metadata"]["uid"] == uid and all(each["ready"] and each["restartCount"] for each in containers(one))

        self.home.until("pod", pod["metadata"]["name"], holds, within)

    def listening(self, such: Callable[[dict[str, Any]], bool], within: float) -> list[dict[str, Any]]:
        """The connections that are as asked for, once there are two of them."""
        end = time.monotonic() + within
        while len(found := [one for one in self.simulated.control("GET", "truth", venue="bybit", events=0) if such(one)]) < 2:
            assert time.monotonic() < end, f"{len(found)} connections"
            time.sleep(2)
        return found

    def of_connections(self, such: Callable[[dict[str, Any]], bool]) -> tuple[Counter[Event], int]:
        """(what went over any of these connections, the most often that it went over one; the second before the last of all ended, ms)."""
        sent, sessions = Counter[Event](), self.simulated.control("GET", "truth", venue="bybit")
        end = max(session["closed"] for session in sessions) - 1000
        for session in filter(such, sessions):
            events = [one for push in session["sent"] for one in push["liquidations"] if one["contract"] == "BTCUSDT" and one["time"] < end]
            sent |= Counter((one["time"], float(one["base"])) for one in events)
        return sent, end

    def ended(self) -> None:
        """Ends the streamers, and publishes."""
        self.apply(suspend=True)
        self.home.kubectl("wait", "pods", "--for=delete", "--selector", self.labels, "--timeout=90s", within=100)
        assert ending(self.home.run_now(f"{self.name}-publish", "publish-now")) == "Complete"

    def whole(self) -> None:
        """Ends the streamers while the burst goes on; then the tape has every event that was sent, as often as it was on one connection,
        but for those that were read in the last second of the last one. None of the burst was sent to nobody."""
        self.sent()
        self.ended()
        sessions = self.simulated.control("GET", "truth", venue="bybit")
        sent, numbers = Counter[Event](), set[int]()
        end = max(session["closed"] for session in sessions) - 1000
        for session in sessions:
            events = [one for push in session["sent"] for one in push["liquidations"] if one["contract"] == "BTCUSDT" and one["time"] < end]
            sent |= Counter((one["time"], float(one["base"])) for one in events)
            numbers |= {int(one["id"].rpartition("-")[2]) for one in events if one["id"].startswith("burst-")}
        assert len(numbers) >= RATE
        assert numbers == set(range(max(numbers) + 1))
        tape = reader.of_bucket(self.home, self.s3)
        tape.sound()
        got = received(tape)
        assert {at: n for at, n in got.items() if at[0] < end} == sent


def received(tape: reader.Reader) -> Counter[Event]:
    rows = tape.rows("liquidations", "BTCUSDT-PERP", "bybit")
    return Counter((reader.ms(row["ts_event"]), float(row["quantity"])) for row in rows)


def silent_since(session: dict[str, Any]) -> int | None:
    """Since when a connection is subscribed to liquidations that it is never sent, ms; None where it is not."""
    return next((one["since"] for one in session["subscriptions"] if one["silent"]), None)


def containers(pod: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pod["status"].get("containerStatuses") or [{"ready": False, "restartCount": 0}]
    return found


def flowing(status: dict[str, Any]) -> bool:
    return line(status, "bybit", "liquidations").get("state") == "Ok"


def heard(status: dict[str, Any]) -> int:
    return line(status, "bybit", "liquidations").get("rows") or 0


@pytest.fixture
def streaming(request: pytest.FixtureRequest, home: Namespace) -> Streaming:
    """Both streamers at work, each on a node of its own. A test of a node's loss (`apart`) has nothing else on one of them."""
    simulated, s3 = home.venues("--symbols", "3"), home.bucket()
    where: dict[str, Any] = {}
    apart = request.node.get_closest_marker("apart") is not None
    if apart and losable(home.cluster):
        where = {"worker": {"nodeSelector": {PAIR: "yes"}, "tolerations": [{"key": PAIR, "operator": "Exists"}]}}
    elif apart:
        (minio,) = home.get("pods", "--selector", "app=minio")["items"]  # what it holds goes with its pod
        there = {"spec": {"template": {"spec": {"nodeSelector": {NODE: minio["spec"]["nodeName"]}}}}}
        home.kubectl("patch", "deployment", "venues", "--patch", json.dumps(there))
        home.available("venues")
    name = f"kept-{home.name[-2:]}"
    document = collection(name, some(simulated.endpoints, "bybit"), {"liquidations": {"replicas": 2}}, {"s3": s3}, **where)
    home.apply(document)
    status = home.until_told(name, flowing, 240)
    assert line(status, "bybit", "liquidations")["redundancy"] == "node"
    return Streaming(home, simulated, document, s3)


def test_a_rollout_in_a_burst_loses_nothing_and_never_leaves_less_than_two_ready(streaming: Streaming) -> None:
    before = {pod["metadata"]["uid"] for pod in streaming.pods()}
    streaming.burst(seconds=600)
    streaming.apply(symbols={"names": ["BTCUSDT-PERP", "ETHUSDT-PERP"]})
    ready: list[int] = []

    def rolled(deployment: dict[str, Any]) -> bool:
        status = deployment["status"]
        ready.append(status.get("readyReplicas", 0))
        current = status.get("observedGeneration") == deployment["metadata"]["generation"] != 1
        return current and status.get("updatedReplicas") == status.get("readyReplicas") == status.get("replicas") == 2

    streaming.home.until("deployment", streaming.deployment, rolled, 300)
    assert min(ready) >= 2
    assert before.isdisjoint(pod["metadata"]["uid"] for pod in streaming.pods())
    streaming.whole()


def test_a_replica_that_is_killed_in_a_burst_is_not_missed(streaming: Streaming) -> None:
    first, second = streaming.pods()
    streaming.burst(seconds=600)
    streaming.home.until_told(streaming.name, lambda told: heard(told) >= RATE, 180)
    streaming.home.kubectl("delete", "pod", first["metadata"]["name"], "--force", "--grace-period=0")
    both = streaming.home.until("deployment", streaming.deployment, lambda one: one["status"].get("readyReplicas") == 1, 60)
    assert both["status"]["unavailableReplicas"] == 1
    streaming.home.until("deployment", streaming.deployment, lambda one: one["status"].get("readyReplicas") == 2, 240)
    assert second["metadata"]["uid"] in {pod["metadata"]["uid"] for pod in streaming.pods()}
    streaming.whole()


@pytest.mark.waits
def test_what_is_heard_while_the_store_is_away_is_told_and_kept_until_it_is_back(streaming: Streaming) -> None:
    home = streaming.home
    streaming.burst(seconds=600)
    home.until_told(streaming.name, lambda told: heard(told) >= RATE, 180)
    home.kubectl("patch", "service", "minio", "--patch", json.dumps({"spec": {"selector": {"app": "nobody"}}}))
    try:
        told = home.until_told(streaming.name, lambda told: line(told, "bybit", "liquidations").get("reason") == "StoreUnusable", 90)
        assert "minio" in line(told, "bybit", "liquidations")["message"]
        assert len(streaming.pods()) == 2
        streaming.until_sent(60 * RATE)  # a minute of it
    finally:
        home.kubectl("patch", "service", "minio", "--patch", json.dumps({"spec": {"selector": {"app": "minio"}}}))
    home.until_told(streaming.name, flowing, 90)
    assert [containers(pod)[0]["restartCount"] for pod in streaming.pods()] == [0, 0]
    streaming.whole()


@pytest.mark.waits
def test_a_silent_topic_while_the_control_topic_flows_is_listened_to_anew_and_its_time_is_unproven(streaming: Streaming) -> None:
    """Both replicas dial anew and are acknowledged a topic that says nothing from there on; a second connection of each hears it."""
    home, simulated = streaming.home, streaming.simulated
    simulated.control("POST", "rate", {"venue": "bybit", "contract": "BTCUSDT", "per_second": 5})
    home.until_told(streaming.name, lambda told: heard(told) >= RATE, 180)
    simulated.fault(kind="silent_ack", venue="bybit", path="allLiquidation")
    simulated.control("POST", "disconnect", {"venue": "bybit"})
    deaf = streaming.listening(lambda one: one["closed"] is None and silent_since(one) is not None, 60)
    simulated.calm()
    silent = [at for one in deaf if (at := silent_since(one)) is not None]
    since = max(silent)
    told = home.until_told(streaming.name, lambda told: (line(told, "bybit", "liquidations").get("gaps") or {}).get("unproven"), 420)
    assert line(told, "bybit", "liquidations")["gaps"]["open"] == 0
    anew = streaming.listening(lambda one: one["opened"] > since and one["liquidations"] > 0, QUIET_LIMIT + 60)
    again = min(one["opened"] for one in anew)
    assert again - min(silent) >= QUIET_LIMIT * 1000  # the replica whose topic fell silent first may be the first to dial
    assert again - since <= (QUIET_LIMIT + 60) * 1000
    over = streaming.listening(lambda one: one["id"] in {each["id"] for each in deaf} and one["closed"] is not None, 120)
    for one in over:
        spoke = one["control"]["tickers.BTCUSDT"]
        assert (one["liquidations"], spoke["last"] > again, spoke["count"] > QUIET_LIMIT / 2) == (0, True, True)
    before = heard(home.until_told(streaming.name, flowing, 60))
    home.until_told(streaming.name, lambda told: heard(told) >= before + 60 * RATE / 10, 180)
    streaming.ended()
    sent, end = streaming.of_connections(lambda one: one["opened"] >= again)
    tape = reader.of_bucket(home, streaming.s3)
    got = received(tape)
    assert len(sent) > 60
    assert {at: n for at, n in got.items() if again <= at[0] < end} == sent
    assert not [at for at in got if since + 10_000 < at[0] < again]
    holes = json.loads(tape.perptape("gaps", "-e", "bybit", "--dataset", "liquidations", "-f", "json"))
    assert [
        one
        for one in holes
        if one["kind"] == "unproven" and reader.ms(one["start"]) <= since + 10_000 and reader.ms(one["end"]) >= again - 10_000
    ]


@pytest.mark.apart
def test_a_node_that_restarts_in_a_burst_takes_nothing_with_it(streaming: Streaming) -> None:
    home = streaming.home
    (venues,) = home.get("pods", "--selector", "app=venues")["items"]
    others = {pod["spec"]["nodeName"] for pod in streaming.pods()} - {venues["spec"]["nodeName"]}
    node = losable(home.cluster) or others.pop()
    (lost,) = [pod for pod in streaming.pods() if pod["spec"]["nodeName"] == node]
    streaming.burst(seconds=900)
    home.until_told(streaming.name, lambda told: heard(told) >= RATE, 180)
    restarted(home.cluster, home.images.worker, node)
    streaming.again(lost)
    home.until("deployment", streaming.deployment, lambda one: one["status"].get("readyReplicas") == 2, 240)
    home.until_told(streaming.name, flowing, 120)
    streaming.whole()
