"""The children of the shipped examples, whole, as they stand in tests/golden/operator; PERPTAPE_GOLDEN=write writes them anew."""

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from perptape.collect.mark_rules import Rules
from perptape.exchanges.registry import VENUES, traits
from perptape_operator.kinds import DEPLOYMENT
from perptape_operator.settings import Settings

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("example", ["quickstart", "majors", "s3", "replicas"])
def test_the_children_are_as_golden(world: Any, example: str) -> None:
    document = yaml.safe_load((ROOT / f"examples/{example}.yaml").read_text())
    document["metadata"]["namespace"] = "trading"
    world.cluster.put(document)
    world.settle()
    found = [child for _, child in sorted(world.children().items())]
    for child in found:
        for name in ("resourceVersion", "uid", "generation"):
            child["metadata"].pop(name, None)
        for owner in child["metadata"].get("ownerReferences", ()):
            owner["uid"] = "the-spec"
        child["metadata"].get("annotations", {}).pop("perptape.io/plan-hash", None)
    text = yaml.safe_dump_all(found, sort_keys=True, width=140)
    golden = ROOT / f"tests/golden/operator/{example}.yaml"
    if os.environ.get("PERPTAPE_GOLDEN") == "write":
        golden.parent.mkdir(parents=True, exist_ok=True)
        golden.write_text(text)
    assert text == golden.read_text()


def test_without_a_user_pods_take_that_of_the_cluster(worlds: Any) -> None:
    world = worlds(Settings(identity="ns.perptape", worker_user=None))
    world.spec()
    world.settle()
    for child in world.children(DEPLOYMENT).values():
        context = child["spec"]["template"]["spec"]["securityContext"]
        assert (context["runAsNonRoot"], {"runAsUser", "runAsGroup", "fsGroup"} & context.keys()) == (True, set())


def test_a_new_streamer_proves_the_time_before_the_old_one_may_go(worlds: Any) -> None:
    """What ends leaves a push interval unproven, and what it had not heard of its control topic for a second or so."""
    world = worlds(Settings(identity="ns.perptape", through_proxy=True))
    world.spec(venues=[{"exchange": "bybit"}], collect={"liquidations": {"replicas": 1}})
    world.settle()
    (spec,) = [child["spec"] for (kind, _), child in world.children().items() if kind == DEPLOYMENT.name]
    longest = max(Rules.of(feed, ()).push for venue in VENUES if (feed := traits(venue).feed) is not None)
    assert spec["minReadySeconds"] * 1_000 >= longest + 1_000
