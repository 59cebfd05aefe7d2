"""Whatever happens to a spec, its children and the operator: in the end the children are those of the spec, and nothing more is written."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perptape_operator.cluster import ClusterError
from perptape_operator.kinds import BY_NAME, COLLECTION
from support.fake_cluster import WRITES

VENUES = ("binance", "bybit", "okx")
STEP = st.one_of(
    st.tuples(st.just("venues"), st.sets(st.sampled_from(VENUES), min_size=1).map(sorted)),
    st.tuples(st.just("suspend"), st.booleans()),
    st.tuples(st.just("mode"), st.sampled_from(["job", "resident"])),
    st.tuples(st.just("delete child"), st.integers(0, 30)),
    st.tuples(st.just("edit child"), st.integers(0, 30)),
    st.tuples(st.just("crash"), st.integers(1, 9)),
    st.tuples(st.just("recreate"), st.booleans()),
    st.tuples(st.just("settle"), st.integers(0, 3)),
)


@pytest.mark.slow
@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.lists(STEP, max_size=8))
def test_any_history_ends_in_the_same_children(worlds: Any, steps: list[tuple[str, Any]]) -> None:
    wanted: dict[str, Any] = {"venues": ["binance"], "suspend": False, "mode": "auto"}
    world = worlds()
    _spec(world, wanted)
    for what, value in steps:
        _do(world, wanted, what, value)
    world.settle(120)
    import asyncio

    asyncio.run(world.operation.resync())
    world.settle(120)
    fresh = worlds()
    _spec(fresh, wanted)
    fresh.settle()
    assert _shape(world) == _shape(fresh)
    writes = len(world.cluster.writes)
    asyncio.run(world.operation.resync())
    world.settle(120)
    assert len(world.cluster.writes) == writes


def _do(world: Any, wanted: dict[str, Any], what: str, value: Any) -> None:
    if what in wanted:
        wanted[what] = value
        _spec(world, wanted)
    elif what == "settle":
        world.settle(value)
    elif what == "recreate":
        world.cluster.remove(COLLECTION, "trading", "majors", orphan=value)
        _spec(world, wanted)
    elif what == "crash":  # at the n-th write the operator dies, and another one starts
        left = [value]

        def fail(verb: str, kind: str, name: str) -> Exception | None:
            left[0] -= verb in (*WRITES, "delete", "status")
            return ClusterError("gone", 0) if left[0] < 0 else None

        world.cluster.fail = fail
        world.settle()
        world.cluster.fail = lambda verb, kind, name: None
        world.restart()
    else:
        children = [at for at in world.children() if at[0] not in ("Job", "PersistentVolumeClaim")]
        if children:
            kind, name = children[value % len(children)]
            if what == "delete child":
                world.cluster.remove(BY_NAME[kind], "trading", name)
            else:
                world.cluster.edit(BY_NAME[kind], "trading", name, lambda m: m["metadata"]["labels"].update({"perptape.io/child": "x"}))


def _spec(world: Any, wanted: dict[str, Any]) -> None:
    collect = {"openInterest": {"mode": wanted["mode"]}, "liquidations": {}}
    world.spec(venues=[{"exchange": name} for name in wanted["venues"]], suspend=wanted["suspend"], collect=collect)


def _shape(world: Any) -> dict[tuple[str, str], Any]:
    return {at: child.get("spec") for at, child in world.children().items() if at[0] != "Job"}
