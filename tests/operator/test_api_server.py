"""An API server that is busy, fails or goes away: what it refuses is asked again, no status says so, and nothing comes twice."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from aiohttp import web
from kubernetes.aio import client

from perptape_api.names import WORK_HASH_ANNOTATION
from perptape_operator import fields_owned
from perptape_operator.cluster import MANAGER, ApiServer, ClusterError, Exists, Expired, refusal
from perptape_operator.kinds import BY_NAME, CLAIM, COLLECTION, CONFIG_MAP, CRON_JOB, DEPLOYMENT, JOB, NETWORK_POLICY, name_of
from support.fake_cluster import WRITES

NS = "trading"
AWAY_S = 60
TROUBLES = {
    "409": ClusterError("PATCH x: Operation cannot be fulfilled on x: the object has been modified", 409),
    "429": ClusterError("PATCH x: too many requests", 429, 5.0),
    "500": ClusterError("PATCH x: etcdserver: request timed out", 500),
    "away": ClusterError("the API server cannot be reached: connection refused", 0),
}
EDIT = {"symbols": {"names": ["BTCUSDT-PERP"]}, "venues": [{"exchange": "binance"}, {"exchange": "okx"}]}


@pytest.fixture(params=TROUBLES.values(), ids=TROUBLES.keys())
def trouble(request: pytest.FixtureRequest) -> ClusterError:
    error: ClusterError = request.param
    return error


@pytest.fixture(params=["fail", "lose"], ids=["before it is done", "after it is done"])
def when(request: pytest.FixtureRequest) -> str:
    """Whether a request fails before anything happened, or only its answer is lost."""
    return str(request.param)


def break_for(world: Any, when: str, trouble: ClusterError, seconds: float, most: int | None = None) -> list[float]:
    """The server fails from now on for a while; at which times it was asked."""
    end, asked = world.at + seconds * 1000, []

    def answer(verb: str, kind: str, name: str) -> ClusterError | None:
        if world.at >= end or (most is not None and len(asked) >= most):
            return None
        asked.append(world.at / 1000)
        return trouble

    setattr(world.cluster, when, answer)
    return asked


def shape(world: Any) -> dict[tuple[str, str], Any]:
    return {at: child.get("spec") for at, child in world.children().items()}


def statuses(world: Any) -> Iterator[dict[str, Any]]:
    """Every status that the spec has from now on."""
    seen: list[dict[str, Any]] = []
    world.cluster.watchers.append(lambda what, m: seen.append(m.get("status") or {}) if m["kind"] == COLLECTION.name else None)
    return iter(seen)


@pytest.mark.slow
def test_a_new_spec_gets_its_children_once_the_server_is_well(worlds: Callable[[], Any], trouble: ClusterError, when: str) -> None:
    world, calm = worlds(), worlds()
    asked = break_for(world, when, trouble, AWAY_S)
    for one in (world, calm):
        one.spec()
    world.settle(3 * AWAY_S)
    calm.settle(3 * AWAY_S)
    assert asked
    assert shape(world) == shape(calm)
    assert [name for _, name in world.children(JOB)] == [name for _, name in calm.children(JOB)], "one first Job each"
    assert world.condition("Ready")["reason"] == "Starting"
    assert [event["reason"] for event in world.cluster.events] == [], "what a spec begins with is no transition"
    again = len(world.cluster.writes)
    asyncio.run(world.operation.resync())
    world.settle(120)
    assert len(world.cluster.writes) == again


@pytest.mark.slow
def test_an_edit_is_carried_out_later_and_status_tells_nothing_meanwhile(
    worlds: Callable[[], Any], trouble: ClusterError, when: str
) -> None:
    world, calm = worlds(), worlds()
    for one in (world, calm):
        one.spec()
        one.settle(120)
    before = world.status()
    asked = break_for(world, when, trouble, AWAY_S)
    seen = statuses(world)
    for one in (world, calm):
        one.spec(**EDIT)
    world.settle(AWAY_S - 1)
    assert len(asked) >= 2, "it is tried again"
    assert all(str(trouble) not in json.dumps(status) for status in seen)
    if when == "fail":
        assert world.status() == before
    world.settle(3 * AWAY_S)
    calm.settle(4 * AWAY_S)
    assert shape(world) == shape(calm)
    assert world.status()["observedGeneration"] == 2
    assert str(trouble) not in json.dumps(world.status())
    assert not world.operation.queue.schedule.failing()


def test_a_busy_server_is_left_alone_as_long_as_it_asks(world: Any) -> None:
    asked = break_for(world, "fail", ClusterError("busy", 429, 40.0), AWAY_S, most=2)
    world.spec()
    world.settle(39)
    assert len(asked) == 1
    world.settle(3)
    assert len(asked) == 2


def test_one_child_that_is_contested_holds_up_no_other_spec(world: Any) -> None:
    world.spec("first")
    world.settle()
    contested = TROUBLES["409"]
    world.cluster.fail = lambda verb, kind, name: contested if name == "first-binance-funding" and verb in WRITES else None
    world.spec("first", **EDIT)
    world.spec("other", store={"s3": {"bucket": "tape", "prefix": "other"}})
    world.settle(5)
    assert world.condition("Ready", "other")["reason"] == "Starting"
    assert {name for _, name in world.children(CRON_JOB)} >= {"other-binance-funding", "first-okx-funding"}


WEBHOOK = ClusterError('Internal error occurred: failed calling webhook "x": connection refused', 500)


def failing(world: Any, kind: str, name: str) -> None:
    """Every write of one object fails from now on, and there is something to write."""
    world.cluster.fail = lambda verb, *at: WEBHOOK if verb in WRITES and at == (kind, name) else None
    world.cluster.edit(BY_NAME[kind], NS, name, lambda m: m["metadata"]["annotations"].update({"perptape.io/plan-hash": "x"}))


@pytest.mark.parametrize(("kind", "name"), [(NETWORK_POLICY.name, "majors-network"), (CRON_JOB.name, "majors-publish")])
def test_one_child_that_cannot_be_written_hides_nothing_of_the_others(world: Any, kind: str, name: str) -> None:
    world.spec()
    world.settle()
    failing(world, kind, name)
    world.spec(venues=[{"exchange": "binance"}])
    world.settle(5)
    assert {child for _, child in world.children(CRON_JOB) if "okx" in child} == set(), "what is wanted no more goes"
    assert world.condition("Ready")["reason"] == "Starting", "a short trouble is not told"
    assert world.status()["observedGeneration"] == 1, "nor is what it holds up said to be done"
    world.run("majors-binance-funding", {"exit": 3, "store_error": "no room", "store_reason": "StoreFull"})
    world.settle(600)
    assert (world.condition("Ready")["reason"], str(WEBHOOK) in world.condition("Ready")["message"]) == ("Refused", True)
    assert world.status()["observedGeneration"] == 2
    world.cluster.fail = lambda verb, kind, name: None
    world.settle(600)
    assert world.condition("Ready")["reason"] == "Starting"
    assert not world.operation.queue.schedule.failing()


def test_the_status_goes_on_while_one_child_cannot_be_written(world: Any) -> None:
    world.spec(venues=[{"exchange": "binance"}], collect={"openInterest": {"every": "5m"}})
    world.settle()
    failing(world, NETWORK_POLICY.name, "majors-network")
    world.settle(1)
    name = "majors-binance-open-interest"
    work = world.cluster.named(CRON_JOB)[name]["spec"]["jobTemplate"]["spec"]["template"]["metadata"]["annotations"][WORK_HASH_ANNOTATION]
    world.run(name, {"work_hash": work, "exit": 3, "store_error": "no room", "store_reason": "StoreFull"})
    world.settle(61)
    assert world.line("binance", "open_interest")["reason"] == "StoreFull"
    assert world.condition("Ready")["reason"] == "Failing"


def test_a_new_spec_one_child_of_which_cannot_be_written_runs_and_says_so(world: Any) -> None:
    world.cluster.fail = lambda verb, kind, name: WEBHOOK if verb in WRITES and kind == NETWORK_POLICY.name else None
    world.spec()
    world.settle(5)
    assert world.condition("Ready")["reason"] == "Starting"
    assert len(world.children(JOB)) == 10
    world.settle(600)
    assert world.condition("Ready")["reason"] == "Refused"


@pytest.mark.parametrize("kind", [CONFIG_MAP.name, CLAIM.name])
def test_nothing_runs_without_what_it_mounts(world: Any, kind: str) -> None:
    world.cluster.fail = lambda verb, which, name: WEBHOOK if verb in WRITES and which == kind else None
    world.spec()
    world.settle(600)
    assert not world.children(CRON_JOB, DEPLOYMENT, JOB)
    assert world.condition("Ready")["reason"] == "Refused"


@pytest.mark.parametrize(
    ("status", "after", "wait"),
    [(429, "5", 5.0), (429, None, None), (503, "1", 1.0), (429, "soon", None), (429, "86400", 60.0), (409, None, None)],
)
def test_how_long_a_server_asks_to_be_left_alone_is_heard(status: int, after: str | None, wait: float | None) -> None:
    error = refusal(status, json.dumps({"message": "no"}), after, "PATCH x")
    assert (type(error), error.status, error.retry_after) == (ClusterError, status, wait)


@pytest.fixture
async def real() -> AsyncIterator[tuple[ApiServer, list[Any]]]:
    """The operator's own client before an HTTP server that gives the answers of a list, one after another."""
    answers: list[Any] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        status, body, headers = answers.pop(0)
        if status == 0:
            assert request.transport is not None
            request.transport.abort()
        return web.json_response(body, status=status or 500, headers=headers)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    settings = client.Configuration()
    settings.host = f"http://127.0.0.1:{runner.addresses[0][1]}"
    api = ApiServer(client.ApiClient(configuration=settings), 4)
    try:
        yield api, answers
    finally:
        await api.close()
        await runner.cleanup()


async def test_the_client_gives_every_refusal_to_whoever_retries_and_retries_nothing_itself(real: tuple[ApiServer, list[Any]]) -> None:
    api, answers = real
    manifest = {"apiVersion": "v1", "kind": CONFIG_MAP.name, "metadata": {"name": "x", "namespace": NS}}
    for status, headers, wait in (
        (409, {}, None),
        (429, {"Retry-After": "7"}, 7.0),
        (500, {}, None),
        (503, {"Retry-After": "1"}, 1.0),
        (0, {}, None),
    ):
        for write, before in ((api.create, []), (lambda one: api.apply(one, "uid"), [(404, {"message": "not found"}, {})])):
            answers[:] = [*before, (status, {"message": "no"}, headers), (200, manifest, {})]
            with pytest.raises(ClusterError) as raised:
                await write(manifest)
            assert (raised.value.status, raised.value.retry_after) == (status, wait)
            assert len(answers) == 1, "asked once"
    answers[:] = [(200, {"items": [], "metadata": {"continue": "more"}}, {}), (410, {"message": "too old"}, {})]
    with pytest.raises(Expired):
        await api.list(DEPLOYMENT, NS, "", lambda manifest: None)


async def test_a_name_that_is_taken_is_told_apart_from_a_conflict(real: tuple[ApiServer, list[Any]]) -> None:
    api, answers = real
    manifest = {"apiVersion": "v1", "kind": CONFIG_MAP.name, "metadata": {"name": "x", "namespace": NS}}
    for reason, means in (("AlreadyExists", Exists), ("Conflict", ClusterError)):
        answers[:] = [(409, {"message": "no", "reason": reason}, {})]
        with pytest.raises(ClusterError) as raised:
            await api.create(manifest)
        assert type(raised.value) is means


CREATED = {"manager": MANAGER, "operation": "Update", "fieldsV1": {"f:data": {"f:a": {}}}}
BOUND = {"manager": MANAGER, "operation": "Update", "subresource": "status", "fieldsV1": {"f:status": {}}}
HAND = {"manager": "kubectl-edit", "operation": "Update", "fieldsV1": {"f:data": {"f:b": {}}}}
APPLIED = {**CREATED, "operation": "Apply"}


@pytest.mark.parametrize(
    ("kept", "wanted"),
    [
        ([HAND, CREATED, BOUND], [HAND, APPLIED, BOUND]),
        ([APPLIED, HAND], None),
        ([HAND], None),
        ([], None),
    ],
)
def test_what_was_created_counts_as_applied_before_it_is_applied(kept: list[Any], wanted: list[Any] | None) -> None:
    patch = fields_owned.applied({"metadata": {"name": "x", "resourceVersion": "7", "managedFields": kept}}, MANAGER)
    assert (None if patch is None else [step["value"] for step in patch]) == (None if wanted is None else [wanted, "7"])


async def test_a_list_is_heard_page_by_page_so_that_one_page_is_in_memory(real: tuple[ApiServer, list[Any]]) -> None:
    api, answers = real
    first, second = ({"metadata": {"namespace": NS, "name": name}} for name in ("a", "b"))
    answers[:] = [
        (200, {"items": [first], "metadata": {"continue": "more"}}, {}),
        (200, {"items": [second], "metadata": {"resourceVersion": "7"}}, {}),
    ]
    heard: list[tuple[str, str, int]] = []
    assert await api.list(DEPLOYMENT, NS, "", lambda one: heard.append((name_of(one), one["kind"], len(answers)))) == "7"
    assert heard == [("a", "Deployment", 1), ("b", "Deployment", 0)], "the second page is asked for after the first was heard"
