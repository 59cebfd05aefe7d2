"""The chart's Role grants what the operator does, and nothing else: held against every request that a long life makes."""

import asyncio
import re
from pathlib import Path
from typing import Any

import yaml

from perptape_api.names import FIRST_RUN_ANNOTATION, OPERATOR_LABEL
from perptape_operator.kinds import BY_NAME, CLAIM, JOB
from perptape_operator.settings import Settings

RULES = Path(__file__).parents[2] / "charts/perptape/templates/_helpers.tpl"
VERBS = {"get": ("get",), "list": ("list", "watch"), "create": ("create",), "apply": ("get", "patch"), "delete": ("delete",)}
NAMESPACE = "trading"
Granted = set[tuple[str, str, str]]


def granted() -> Granted:
    text = re.search(r'define "perptape.rules" -\}\}\n(.*?)\{\{- end', RULES.read_text(), re.DOTALL)
    assert text is not None
    return {
        (group, resource, verb)
        for rule in yaml.safe_load(text[1])
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def needed(verb: str, kind: str) -> Granted:
    if verb == "event":
        return {("", "events", "create")}
    found = BY_NAME[kind]
    if verb == "status":
        return {(found.group, f"{found.plural}/status", "patch")}
    return {(found.group, found.plural, one) for one in VERBS[verb]}


def hand_takes_labels(world: Any) -> None:
    """No list shows the children any more: their names are met as taken, and they are read. Of a claim nothing else says whose it is."""

    def bare(manifest: Any) -> None:
        manifest["metadata"]["labels"].pop(OPERATOR_LABEL)
        manifest["metadata"].get("annotations", {}).pop(FIRST_RUN_ANNOTATION, None)

    for kind, name in world.children():
        if kind != CLAIM.name:
            world.cluster.edit(BY_NAME[kind], NAMESPACE, name, bare)


def test_the_role_is_what_is_done(worlds: Any) -> None:
    used: Granted = set()

    def note(verb: str, kind: str, name: str) -> None:
        used.update(needed(verb, kind))

    world = worlds(Settings(identity="ns.perptape"))
    world.cluster.fail = note
    world.restart()
    shared = {"s3": {"bucket": "tape", "prefix": "prod"}}
    world.spec(store=shared)
    world.settle()
    world.spec("volume")
    world.spec("foreign", store={"persistentVolumeClaim": {"claimName": "theirs"}})
    world.settle()
    world.spec("volume", store={"persistentVolumeClaim": {"size": "50Gi"}})
    world.settle()
    job = next(child for (kind, _), child in world.children(JOB).items())
    world.ended(job, {})
    world.settle(120)
    hand_takes_labels(world)
    world.settle()
    one = [{"exchange": "binance"}]
    world.spec(store=shared, venues=one, collect={"openInterest": {"mode": "resident"}, "liquidations": {"replicas": 1}})
    world.settle(1200)
    world.spec(store=shared, venues=one, collect={"funding": {}})
    world.settle()
    world.settings = Settings(identity="ns.perptape", network_policy=False)
    world.restart()
    asyncio.run(world.operation.resync())
    world.settle()
    assert used == granted()


def test_no_secret_is_ever_read() -> None:
    assert not [rule for rule in granted() if rule[1].startswith("secrets")]
