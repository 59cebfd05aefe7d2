"""Streamers: a burst arrives whole, and the drain of a node ends a pod without harm."""

from collections import Counter
from typing import Any

from support import reader
from support.control import Control
from support.namespace import Namespace, condition, ending, line
from support.node import PAIR
from support.reader import Reader
from support.specs import VOLUME, collection, some

RATE, SECONDS = 200, 10
Event = tuple[int, float]


def flowing(status: dict[str, Any]) -> bool:
    return line(status, "bybit", "liquidations").get("state") == "Ok"


def sent(simulated: Control) -> tuple[Counter[Event], range]:
    """(what went over any of the connections, the most often that it went over one; the span of the burst in ms)."""
    told: Counter[Event] = Counter()
    burst: set[int] = set()
    for session in simulated.control("GET", "truth", venue="bybit"):
        events = [event for push in session["sent"] for event in push["liquidations"] if event["contract"] == "BTCUSDT"]
        told |= Counter((event["time"], float(event["base"])) for event in events)
        burst |= {event["time"] for event in events if event["id"].startswith("burst-")}
    return told, range(min(burst), max(burst) + 1)


def received(tape: Reader) -> Counter[Event]:
    rows = tape.rows("liquidations", "BTCUSDT-PERP", "bybit")
    return Counter((reader.ms(row["ts_event"]), float(row["quantity"])) for row in rows)


def test_all_of_a_burst_is_in_the_published_tape(home: Namespace) -> None:
    simulated = home.venues("--symbols", "3")
    document = collection("burst", some(simulated.endpoints, "bybit"), {"liquidations": {"replicas": 2}}, VOLUME)
    home.apply(document)
    status = home.until_told("burst", flowing, 240)
    assert line(status, "bybit", "liquidations")["redundancy"] == "connection"
    simulated.control("POST", "burst", {"venue": "bybit", "contracts": ["BTCUSDT"], "rate": RATE, "seconds": SECONDS})
    home.until_told("burst", lambda told: (line(told, "bybit", "liquidations").get("rows") or 0) >= RATE * SECONDS, 240)
    home.apply({**document, "spec": {**document["spec"], "suspend": True}})
    home.kubectl("wait", "pods", "--for=delete", "--selector", "perptape.io/dataset=liquidations", "--timeout=90s", within=100)
    assert ending(home.run_now("burst-publish", "publish-now")) == "Complete"
    tape = reader.of_claim(home, "burst-tape")
    tape.sound()
    truth, during = sent(simulated)
    assert sum(count for (time, _), count in truth.items() if time in during) >= RATE * SECONDS
    rows = received(tape)
    assert {at: n for at, n in rows.items() if at[0] in during} == {at: n for at, n in truth.items() if at[0] in during}


def test_the_drain_of_a_node_ends_its_streamer_and_another_takes_over(home: Namespace) -> None:
    simulated, s3 = home.venues("--symbols", "3"), home.bucket()
    name = f"drained-{home.name[-2:]}"  # the drain chooses by it in all namespaces
    home.apply(collection(name, some(simulated.endpoints, "bybit"), {"liquidations": {"replicas": 2}}, {"s3": s3}))
    status = home.until_told(name, flowing, 240)
    assert line(status, "bybit", "liquidations")["redundancy"] == "node"
    assert f"PodDisruptionBudget/{name}-bybit-liquidations" in home.children(name)
    labels = f"perptape.io/spec={name},perptape.io/dataset=liquidations"
    pair = home.cluster.kubectl("get", "nodes", "--selector", PAIR, "--output", "jsonpath={.items[*].metadata.name}").split()
    found = home.get("pods", "--selector", labels)["items"]
    first, second = sorted(found, key=lambda pod: pod["spec"]["nodeName"] in pair)  # another test has both streamers on the pair
    node = first["spec"]["nodeName"]
    assert second["spec"]["nodeName"] != node
    try:
        home.kubectl("drain", node, f"--pod-selector={labels}", "--delete-emptydir-data", "--timeout=100s", within=120)
        gone = {pod["metadata"]["uid"] for pod in home.get("pods", "--selector", labels)["items"]}
        assert first["metadata"]["uid"] not in gone
        assert second["metadata"]["uid"] in gone
    finally:
        home.kubectl("uncordon", node)
    home.until("deployment", f"{name}-bybit-liquidations", lambda one: one["status"].get("readyReplicas") == 2, 240)
    home.until_told(name, lambda told: flowing(told) and condition(told, "Ready").get("reason") == "Collecting", 120)
    status = home.until_told(name, lambda told: "gaps" in line(told, "bybit", "liquidations"), 180)  # counters come once a minute
    assert line(status, "bybit", "liquidations")["gaps"]["lost"] == 0
