"""Many specs at rest: the operator writes nothing, and what it does grows with what there is and no faster."""

import asyncio
from typing import Any

import pytest

from perptape_operator.cache import SpecKey
from perptape_operator.cluster import Forbidden
from perptape_operator.kinds import COLLECTION, CRON_JOB

SPECS = 50
SMALL = {"venues": [{"exchange": "binance"}], "collect": {"openInterest": {}}}


def many(world: Any, number: int, **more: Any) -> None:
    for index in range(number):
        world.spec(f"s{index}", **SMALL, store={"s3": {"bucket": "tape", "prefix": f"s{index}"}}, **more)
    world.settle(most=20 * number)


def resync(world: Any, seconds: float) -> None:
    world.at += int(seconds * 1000)
    asyncio.run(world.operation.resync())
    world.settle(most=20 * SPECS)


@pytest.mark.slow
def test_suspended_specs_at_rest_are_not_written_to_for_an_hour(world: Any) -> None:
    many(world, SPECS, suspend=True)
    resync(world, 61)
    writes = len(world.cluster.writes)
    for _ in range(12):
        resync(world, 300)
    assert len(world.cluster.writes) == writes


@pytest.mark.slow
def test_an_edit_is_acted_on_at_once_and_concerns_one_spec(world: Any) -> None:
    many(world, SPECS)
    resync(world, 61)
    writes = len(world.cluster.writes)
    world.cluster.edit(COLLECTION, "trading", "s7", lambda m: m["spec"].update(suspend=True))
    before = world.at
    world.settle()
    assert world.at - before < 2_000
    touched = world.cluster.writes[writes:]
    assert touched
    assert all(name == "s7" or name.startswith("s7-") for _, _, name in touched)


@pytest.mark.slow
def test_requests_grow_with_the_specs_and_no_faster(worlds: Any) -> None:
    counts = []
    for number in (10, 40):
        world, asked = worlds(), [0]

        def count(verb: str, kind: str, name: str, asked: list[int] = asked) -> None:
            asked[0] += 1

        world.cluster.fail = count
        many(world, number)
        counts.append(asked[0])
    assert counts[1] <= 4 * counts[0]


def test_a_resync_in_the_midst_of_work_does_not_repeat_it_and_the_next_one_looks_at_all(world: Any) -> None:
    many(world, 10)
    world.at += 61_000
    asyncio.run(world.operation.resync())
    assert world.settle() == 0
    world.at += 300_000
    asyncio.run(world.operation.resync())
    assert world.settle() >= 10


def test_a_resync_brings_back_what_vanished_unseen_of_a_spec_that_was_just_looked_at(world: Any) -> None:
    many(world, 3)
    at = (CRON_JOB.name, "trading", "s1-binance-open-interest")
    del world.cluster.objects[at]
    asyncio.run(world.operation.resync())
    world.settle()
    assert at in world.cluster.objects


def test_a_resync_that_shows_other_permissions_or_a_newer_definition_looks_at_whom_it_concerns(world: Any) -> None:
    many(world, 3)
    world.cluster.fail = lambda verb, kind, name: Forbidden("no budgets", 403) if (verb, kind) == ("list", "PodDisruptionBudget") else None
    asyncio.run(world.operation.resync())
    assert world.settle() >= 3
    assert world.condition("Ready", "s2")["reason"] == "Forbidden"
    world.cluster.fail = lambda verb, kind, name: None
    asyncio.run(world.operation.resync())
    assert world.settle() >= 3
    assert world.condition("Ready", "s2")["reason"] == "Starting"
    asyncio.run(world.operation.resync())
    assert world.settle() == 0
    memory = world.operation.reconciler.memory
    memory.undeclared[SpecKey("trading", "s0")] = frozenset()
    asyncio.run(world.operation.resync())
    assert world.settle() == 1


def test_a_resync_tries_again_what_could_not_be_done(world: Any) -> None:
    world.spec(**SMALL, store={"persistentVolumeClaim": {"claimName": "theirs"}})
    world.settle()
    asyncio.run(world.operation.resync())
    assert world.settle() == 1
