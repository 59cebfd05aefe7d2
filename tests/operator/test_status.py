"""What the status says, given what pods report and what is seen of them."""

import json
from typing import Any

import pytest

from perptape.cli import left
from perptape.collect.stamps import Measured
from perptape.errors import Stopped
from perptape.settings import Settings as Worker
from perptape_api.names import WORK_HASH_ANNOTATION
from perptape_operator import clock
from perptape_operator.cluster import ClusterError
from perptape_operator.kinds import COLLECTION, CRON_JOB, DEPLOYMENT, JOB, POD

NS = "trading"
OI = "majors-binance-open-interest"
ONE = {"venues": [{"exchange": "binance"}], "collect": {"openInterest": {"every": "5m"}}}
S3 = {"s3": {"bucket": "tape", "prefix": "prod"}}


def work(world: Any, name: str = OI) -> str:
    template = world.cluster.named(CRON_JOB)[name]["spec"]["jobTemplate"]["spec"]["template"]
    return str(template["metadata"]["annotations"][WORK_HASH_ANNOTATION])


def collected(world: Any, **more: Any) -> dict[str, Any]:
    part = {"venue": "binance", "dataset": "open_interest", "state": "ok", "rows": 5, "watermark": world.at, "due": world.at}
    return {"work_hash": work(world), "collections": [part | more]}


@pytest.fixture
def one(world: Any) -> Any:
    """A spec of one collection, at rest."""
    world.spec(**ONE)
    world.settle()
    return world


def test_before_a_run_nothing_is_claimed(one: Any) -> None:
    assert (one.condition("Ready")["status"], one.condition("Ready")["reason"]) == ("False", "Starting")
    assert one.condition("Collecting")["status"] == "Unknown"
    assert one.condition("Complete")["status"] == "Unknown"
    assert one.line("binance", "open_interest")["reason"] == "NotYetRun"
    assert one.status()["summary"]["venues"] == "0/1"


def test_a_good_run_makes_it_ready_and_complete(one: Any) -> None:
    one.run(OI, collected(one, gaps={"open": 0, "lost": 0, "unproven": 2}, symbols={"wanted": 2, "collected": 2}))
    one.settle(61)
    line = one.line("binance", "open_interest")
    assert (line["state"], line["rows"], line["gaps"]["unproven"], line["instruments"]["collected"]) == ("Ok", 5, 2, 2)
    assert [one.condition(type_)["status"] for type_ in ("Ready", "Collecting", "Complete", "StoreReady")] == ["True"] * 4
    assert one.status()["summary"] == {
        "venues": "1/1",
        "watermark": clock.iso(one.at - 61_000),
        "gaps": {"open": 0, "lost": 0, "unproven": 2},
    }


def test_rows_add_up_over_runs_and_no_run_counts_twice(one: Any) -> None:
    for _ in range(3):
        one.run(OI, collected(one))
        one.settle(61)
        one.at += 300_000
    one.restart()
    one.settle(61)
    assert one.line("binance", "open_interest")["rows"] == 15


def test_rows_of_a_run_that_began_first_and_ended_last_count(one: Any) -> None:
    began, first = one.at, next(iter(one.cluster.named(JOB).values()))
    one.settle(60)
    one.run(OI, collected(one, rows=5))
    one.settle(61)
    report = {"run": f"{first['metadata']['name']}-p0", "started": began + 1000, "finished": one.at} | collected(one, rows=30_000)
    one.ended(first, report)
    one.settle(61)
    assert one.line("binance", "open_interest")["rows"] == 30_005
    one.restart()
    one.settle(61)
    assert one.line("binance", "open_interest")["rows"] == 30_005


def test_rows_count_once_where_the_answer_to_a_write_is_lost(one: Any) -> None:
    one.cluster.lose = lambda verb, kind, name: ClusterError("cut off", 0) if verb == "status" else None
    one.run(OI, collected(one, rows=5))
    one.settle(5)
    one.cluster.lose = lambda verb, kind, name: None
    one.settle(120)
    assert one.line("binance", "open_interest")["rows"] == 5


def test_a_report_of_earlier_work_does_not_count(one: Any) -> None:
    old = collected(one)
    one.spec(**ONE, symbols={"names": ["BTCUSDT-PERP"]})
    one.settle()
    one.run(OI, old)
    one.settle(61)
    assert one.line("binance", "open_interest")["reason"] == "NotYetRun"


def test_the_run_that_started_last_says_how_it_stands(one: Any) -> None:
    one.run(OI, collected(one, state="failed", rows=0, failed=["BTC: refused"]) | {"exit": 3})
    one.at += 300_000
    one.run(OI, collected(one))
    one.settle(61)
    assert one.line("binance", "open_interest")["state"] == "Ok"


@pytest.mark.parametrize(
    ("report", "why"),
    [
        ("x" * 5000, "is longer than 4096 bytes"),
        ("not json", "is not JSON"),
        ("[]", "has an impossible form"),
        (json.dumps({"run": "majors-elsewhere", "started": 1_800_000_000_000}), "is about another pod"),
        ({"started": 1_900_000_000_000}, "is from the future"),
        ({"collections": [{"venue": "ftx", "dataset": "open_interest"}]}, "names a venue or dataset that does not exist"),
        ({"collections": [{"venue": "binance", "dataset": "open_interest", "rows": -1}]}, "has an impossible collections.0.rows"),
        ({"collections": [{"venue": "binance", "dataset": "open_interest", "watermark": 10**20}]}, "has an impossible"),
        ("[" * 4000, "is not JSON"),
    ],
)
def test_a_report_that_lies_is_ignored_and_named(one: Any, report: Any, why: str) -> None:
    pod = one.run(OI, report if isinstance(report, str) else {"work_hash": work(one)} | report)
    one.settle(61)
    message = one.condition("Ready")["message"]
    assert f"the report of pod {pod['metadata']['name']} is ignored: it {why}" in message
    assert "rows" not in one.line("binance", "open_interest")


def test_half_a_character_in_a_report_is_replaced(one: Any) -> None:
    one.run(
        OI, json.dumps({"run": f"{OI}-{one.at // 60_000}-p0", "started": one.at} | collected(one, state="failed", error="bad \ud800 text"))
    )
    one.settle(61)
    assert "bad ? text" in one.line("binance", "open_interest")["message"]


def test_a_venue_that_is_down_is_its_own_entry_only(world: Any) -> None:
    world.spec(venues=[{"exchange": "binance"}, {"exchange": "bybit"}], collect={"openInterest": {}})
    world.settle()
    world.run(OI, collected(world))
    name = "majors-bybit-open-interest"
    part = {"venue": "bybit", "dataset": "open_interest", "state": "failed", "error": "api.bybit.com: connection refused"}
    world.run(name, {"work_hash": work(world, name), "exit": 3, "collections": [part]})
    world.settle(61)
    assert world.line("binance", "open_interest")["state"] == "Ok"
    assert world.line("bybit", "open_interest")["state"] == "Failing"
    ready = world.condition("Ready")
    assert (ready["status"], ready["reason"]) == ("True", "Degraded")
    assert "api.bybit.com: connection refused" in ready["message"]
    assert world.status()["summary"]["venues"] == "1/2"


WAITING = {"state": {"waiting": {"reason": "ImagePullBackOff", "message": "not found"}}}
SIGHTINGS = [
    ({"state": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}}, "OOMKilled", "limits.memory"),
    (WAITING, "ImagePull", "not found"),
    ({"state": {"waiting": {"reason": "CreateContainerConfigError", "message": "no ConfigMap"}}}, "PodConfiguration", "no ConfigMap"),
    ({"state": {"terminated": {"exitCode": 1, "reason": "Error"}}}, "PodFailed", "exit code 1"),
]


@pytest.mark.parametrize(("container", "reason", "said"), SIGHTINGS, ids=[reason for _, reason, _ in SIGHTINGS])
def test_where_there_is_no_report_the_operator_says_what_it_sees(one: Any, container: Any, reason: str, said: str) -> None:
    one.run(OI, **container)
    one.settle(61)
    line = one.line("binance", "open_interest")
    assert (line["state"], line["reason"]) == ("Failing", reason)
    assert said in line["message"]
    assert one.condition("Ready")["reason"] == "Failing"
    one.at += 300_000
    one.run(OI, collected(one))
    one.settle(61)
    assert one.line("binance", "open_interest")["state"] == "Ok", "and it passes"


def unscheduled(one: Any, said: str) -> None:
    pod = one.run(OI, **WAITING)
    condition = {"type": "PodScheduled", "status": "False", "message": said}
    one.cluster.edit(POD, NS, pod["metadata"]["name"], lambda m: m.update(status={"phase": "Pending", "conditions": [condition]}))


def test_an_unschedulable_pod_is_told(one: Any) -> None:
    unscheduled(one, '0/3 nodes: persistentvolumeclaim "x" not found')
    one.settle(181)
    assert one.line("binance", "open_interest")["reason"] == "ClaimMissing"
    assert one.condition("StoreReady")["status"] == "False"


def test_a_pod_whose_volume_is_being_made_is_progressing_for_two_minutes(one: Any) -> None:
    unscheduled(one, "0/3 nodes are available: pod has unbound immediate PersistentVolumeClaims")
    one.settle(110)
    line = one.line("binance", "open_interest")
    assert (line["state"], line["reason"]) == ("Degraded", "Progressing")
    assert "unbound immediate PersistentVolumeClaims" in line["message"]
    assert (one.condition("Ready")["status"], one.condition("Ready")["reason"]) == ("False", "Starting")
    one.settle(15)  # nothing happens in the cluster: the end of the grace is looked for
    assert (one.line("binance", "open_interest")["state"], one.line("binance", "open_interest")["reason"]) == ("Failing", "Unschedulable")
    assert one.condition("Ready")["reason"] == "Failing"


def test_a_later_pod_that_is_being_placed_takes_nothing_from_what_is_known(one: Any) -> None:
    one.run(OI, collected(one))
    one.settle(61)
    one.at += 300_000
    unscheduled(one, "0/3 nodes are available: 3 Insufficient cpu")
    one.settle(110)
    assert one.line("binance", "open_interest")["reason"] == "Collecting"
    one.settle(15)
    assert one.line("binance", "open_interest")["reason"] == "Unschedulable"


def running(world: Any, name: str = OI) -> Any:
    """A run under way: its pod runs and has said nothing yet."""
    pod = world.run(name)
    world.cluster.edit(JOB, NS, pod["metadata"]["ownerReferences"][0]["name"], lambda m: m["status"].pop("conditions"))
    state = {"name": "worker", "state": {"running": {"startedAt": clock.iso(world.at)}}}
    status = {"phase": "Running", "podIP": "10.0.0.9", "startTime": clock.iso(world.at), "containerStatuses": [state]}
    return world.cluster.edit(POD, NS, pod["metadata"]["name"], lambda m: m.update(status=status))


def test_a_first_run_under_way_is_told(one: Any) -> None:
    began = clock.iso(one.at)
    pod = running(one)
    one.settle(61)
    line = one.line("binance", "open_interest")
    assert (line["state"], line["reason"]) == ("Degraded", "Running")
    assert f"pod {pod['metadata']['name']} runs since {began}" in line["message"]
    assert one.condition("Ready")["reason"] == "Starting"


def test_a_run_that_the_venue_does_not_answer_is_told_while_it_lasts(one: Any) -> None:
    pod = running(one)
    one.operation.hear_trouble(pod, "binance: HTTP 503: an empty answer")
    one.settle()
    line = one.line("binance", "open_interest")
    assert (line["state"], line["reason"]) == ("Failing", "NotAnswered")
    assert "binance: HTTP 503: an empty answer" in line["message"]
    assert one.condition("Ready")["reason"] == "Failing"
    writes = len(one.cluster.writes)
    one.operation.hear_trouble(pod, "binance: HTTP 503: an empty answer")
    one.settle()
    assert len(one.cluster.writes) == writes, "it says so every two seconds"
    one.operation.hear_trouble(pod, "")
    one.settle()
    assert one.line("binance", "open_interest")["reason"] == "Running"


def test_a_later_run_that_is_not_answered_goes_back_to_what_was_known(one: Any) -> None:
    one.run(OI, collected(one))
    one.settle(61)
    one.at += 300_000
    pod = running(one)
    one.settle(61)
    assert one.line("binance", "open_interest")["reason"] == "Collecting"
    one.operation.hear_trouble(pod, "binance: HTTP 503: an empty answer")
    one.settle(61)
    assert one.line("binance", "open_interest")["reason"] == "NotAnswered"
    one.cluster.remove(JOB, NS, pod["metadata"]["ownerReferences"][0]["name"])
    one.settle(61)
    assert one.line("binance", "open_interest")["reason"] == "Collecting"
    assert not one.operation.reconciler.unanswered.said, "what a pod said goes with it"


@pytest.mark.parametrize("before", [True, False], ids=["that once was valid", "that never was"])
def test_of_an_invalid_spec_nothing_is_judged(world: Any, before: bool) -> None:
    if before:
        world.spec(**ONE)
        world.settle()
        world.run(OI, collected(world))
        world.settle(61)
        assert world.condition("Complete")["status"] == "True"
    world.spec(**ONE, store={"persistentVolumeClaim": {"size": "much"}})
    world.settle(61)
    assert (world.condition("Ready")["status"], world.condition("Ready")["reason"]) == ("False", "InvalidSpec")
    for type_ in ("Collecting", "Complete", "StoreReady"):
        told = world.condition(type_)
        assert (told["status"], told["reason"]) == ("Unknown", "InvalidSpec")
        assert told["message"] == world.condition("Ready")["message"]


def test_a_job_stopped_at_its_deadline_without_a_pod_left_is_told(one: Any) -> None:
    one.at += 300_000
    pod = one.run(OI, collected(one))
    job = pod["metadata"]["ownerReferences"][0]["name"]
    failed = {"type": "Failed", "status": "True", "reason": "DeadlineExceeded"}
    one.cluster.edit(JOB, NS, job, lambda m: m["status"].update(conditions=[failed]))
    one.cluster.remove(POD, NS, pod["metadata"]["name"])
    one.settle(61)
    assert one.line("binance", "open_interest")["reason"] == "JobFailed"
    assert "deadline" in one.line("binance", "open_interest")["message"]


def test_runs_that_are_not_started_are_told(one: Any) -> None:
    one.run(OI, collected(one))
    one.settle(61)
    one.at += 20 * 60_000
    one.operation.queue.add(one.operation.cache.specs()[0])
    one.settle(61)
    assert one.line("binance", "open_interest")["reason"] == "MissedRuns"


@pytest.mark.parametrize(("behind_ms", "reason"), [(15 * 60_000, "Complete"), (40 * 60_000, "Behind")])
def test_behind_counts_from_the_last_due_edge(one: Any, behind_ms: int, reason: str) -> None:
    one.run(OI, collected(one, watermark=one.at - behind_ms, due=one.at - 10 * 60_000))
    one.settle(61)
    assert one.condition("Complete")["reason"] == reason


def test_gaps_are_told_before_lateness(one: Any) -> None:
    one.run(OI, collected(one, watermark=one.at - 10**8, gaps={"open": 3, "lost": 1}))
    one.settle(61)
    assert one.condition("Complete")["reason"] == "OpenGaps"
    one.at += 300_000
    one.run(OI, collected(one, gaps={"open": 0, "lost": 1}))
    one.settle(61)
    assert one.condition("Complete")["reason"] == "LostGaps"


def test_the_venues_clock_is_shifted_out_of_the_summary(one: Any) -> None:
    at = one.at
    one.run(OI, collected(one, watermark=at + 5000, due=at + 5000, offset=5000))
    one.settle(61)
    assert one.line("binance", "open_interest")["watermark"] == clock.iso(at + 5000)
    assert one.status()["summary"]["watermark"] == clock.iso(at)


def test_a_venue_without_a_feed_is_unsupported_and_makes_nothing_worse(world: Any) -> None:
    world.spec(venues=[{"exchange": "hyperliquid"}], collect={"liquidations": {}})
    world.settle()
    line = world.line("hyperliquid", "liquidations")
    assert (line["state"], line["reason"], line.get("child")) == ("Unsupported", "NotOffered", None)
    assert "Hyperliquid" in line["message"]
    assert world.condition("Ready")["reason"] == "NotOffered"


def test_the_publisher_tells_and_is_late(one: Any) -> None:
    one.run("majors-publish", {"publisher": {"segments": 4, "oldest": one.at - 60_000, "lease": "pod-a"}})
    one.settle(61)
    assert one.status()["publisher"]["segments"] == 4
    one.at += 60 * 60_000
    one.operation.queue.add(one.operation.cache.specs()[0])
    one.settle(61)
    assert one.condition("StoreReady")["reason"] == "PublisherLate"


def test_a_store_that_fails_is_named_by_the_worker(one: Any) -> None:
    one.run(OI, collected(one) | {"exit": 3, "store_error": "bucket tape does not exist: make it", "store_reason": "StoreMissing"})
    one.settle(61)
    assert one.condition("StoreReady")["message"] == "bucket tape does not exist: make it"
    assert one.line("binance", "open_interest")["reason"] == "StoreMissing"


def test_a_pause_in_a_report_reaches_status_and_the_budget(one: Any) -> None:
    end = one.at + 600_000
    one.run(OI, collected(one) | {"pauses": [{"venue": "binance", "until": end}]})
    one.settle()
    assert one.status()["pauses"] == [{"exchange": "binance", "until": clock.iso(end)}]
    assert one.operation.pauses.known().keys() == {"binance"}


def test_counters_are_written_once_a_minute_and_states_at_once(one: Any) -> None:
    one.run(OI, collected(one))
    one.settle(120)
    writes = [w for w in one.cluster.writes if w[0] == "status"]
    for _ in range(10):
        one.at += 1000
        one.run(OI, collected(one))
        one.settle(1)
    assert len([w for w in one.cluster.writes if w[0] == "status"]) - len(writes) <= 1
    one.at += 1000
    before = len([w for w in one.cluster.writes if w[0] == "status"])
    one.run(OI, collected(one, state="failed", failed=["no"]) | {"exit": 3})
    one.settle()
    assert len([w for w in one.cluster.writes if w[0] == "status"]) == before + 1
    assert one.condition("Ready")["status"] == "False"


def test_events_come_on_transitions_only(one: Any) -> None:
    for _ in range(3):
        one.run(OI, collected(one))
        one.settle(61)
        one.at += 300_000
    assert [event["reason"] for event in one.cluster.events] == ["Collecting"]


def test_a_transition_keeps_its_time_while_it_lasts(one: Any) -> None:
    one.run(OI, collected(one))
    one.settle(61)
    since = one.condition("Ready")["lastTransitionTime"]
    one.at += 300_000
    one.run(OI, collected(one, failed=["ETH: refused"]) | {"exit": 1})
    one.settle(61)
    assert (one.condition("Ready")["reason"], one.condition("Ready")["lastTransitionTime"]) == ("Degraded", since)


def streaming(world: Any, name: str = "majors-okx-liquidations", **more: Any) -> dict[str, Any]:
    template = world.children()[("Deployment", name)]["spec"]["template"]
    part = {"venue": "okx", "dataset": "liquidations", "watermark": world.at, "rows": 3, "ready": True}
    return {"work_hash": template["metadata"]["annotations"][WORK_HASH_ANNOTATION], "collections": [part | more]}


@pytest.fixture
def streams(worlds: Any) -> Any:
    from perptape_operator.settings import Settings

    world = worlds(Settings(identity="ns.perptape", through_proxy=True))
    world.spec(venues=[{"exchange": "okx"}], collect={"liquidations": {"replicas": 2}}, store=S3)
    world.settle()
    return world


def test_replicas_are_united_and_a_missing_one_is_told(streams: Any) -> None:
    name = "majors-okx-liquidations"
    streams.stream(name, 0, streaming(streams, watermark=streams.at - 60_000, rows=9))
    streams.stream(name, 1, streaming(streams))
    streams.poll()
    streams.settle(61)
    line = streams.line("okx", "liquidations")
    assert (line["state"], line["rows"], line["watermark"]) == ("Ok", 9, clock.iso(streams.at - 61_000))
    pod = next(iter(streams.cluster.named(POD)))
    streams.cluster.edit(POD, NS, pod, lambda m: m["status"].update(conditions=[{"type": "Ready", "status": "False"}]))
    streams.settle()
    assert streams.line("okx", "liquidations")["reason"] == "ReplicaMissing"
    assert streams.condition("Ready")["reason"] == "Degraded"


def test_a_state_that_a_poll_shows_is_written_at_once(streams: Any) -> None:
    name = "majors-okx-liquidations"
    for number in range(2):
        streams.stream(name, number, streaming(streams))
    streams.poll()
    streams.settle(61)
    pod = next(iter(streams.cluster.named(POD)))
    streams.cluster.answers[pod] = json.dumps({"run": pod, "started": streams.at} | streaming(streams, failed=["BTC: no acknowledgement"]))
    streams.poll()
    streams.settle()
    assert "no acknowledgement" in streams.line("okx", "liquidations")["message"]


def test_status_is_what_the_schema_allows(one: Any) -> None:
    from perptape_api.status import Status

    one.run(OI, collected(one, failed=["x" * 5000] * 50) | {"exit": 1})
    one.settle(61)
    Status.model_validate(one.cluster.named(COLLECTION)["majors"]["status"], by_alias=True, by_name=False)


def test_a_stream_that_is_killed_for_memory_again_and_again_says_what_to_do(streams: Any) -> None:
    looping = {
        "name": "worker",
        "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 5m0s"}},
        "lastState": {"terminated": {"reason": "OOMKilled", "exitCode": 137}},
    }
    for number in range(2):
        pod = streams.stream("majors-okx-liquidations", number, None, ready=False)
        streams.cluster.edit(POD, NS, pod["metadata"]["name"], lambda m: m["status"].update(containerStatuses=[looping]))
    streams.settle(61)
    line = streams.line("okx", "liquidations")
    assert (line["state"], line["reason"]) == ("Failing", "OOMKilled")
    assert "raise spec.worker.resources.limits.memory" in line["message"]


def test_a_resumed_spec_has_missed_nothing(one: Any) -> None:
    one.run(OI, collected(one))
    one.settle(61)
    one.spec(**ONE, suspend=True)
    one.settle(86_400)
    one.spec(**ONE)
    one.settle(61)
    assert one.line("binance", "open_interest")["reason"] == "Collecting"
    one.at += 20 * 60_000
    again(one)
    assert one.line("binance", "open_interest")["reason"] == "MissedRuns"


def test_a_schedule_that_was_just_changed_has_missed_nothing(one: Any) -> None:
    slow = {**ONE, "collect": {"openInterest": {"every": "1d"}}}
    one.spec(**slow)
    one.settle()
    one.run(OI, collected(one))
    one.at += 80_000_000
    one.spec(**ONE)
    one.settle()
    assert one.line("binance", "open_interest")["reason"] == "NotYetRun"


@pytest.mark.parametrize(
    ("pause", "told"),
    [
        ({"venue": "bybit", "until": 1_800_000_600_000}, None),
        ({"venue": "binance", "until": 1_900_000_000_000}, "names a pause longer than any venue's"),
    ],
)
def test_a_pod_pauses_no_other_venue_and_none_for_ever(world: Any, pause: dict[str, Any], told: str | None) -> None:
    world.spec(venues=[{"exchange": "binance"}, {"exchange": "bybit"}], collect={"openInterest": {"every": "5m"}})
    world.settle()
    world.run(OI, collected(world) | {"pauses": [pause]})
    world.settle(61)
    assert "pauses" not in world.status() or not world.status()["pauses"]
    assert (told or "") in world.condition("Ready")["message"]


def test_a_suspended_spec_is_not_said_to_be_complete(world: Any) -> None:
    world.spec(**ONE, suspend=True)
    world.settle()
    assert (world.condition("Complete")["status"], world.condition("Complete")["reason"]) == ("Unknown", "Suspended")


def test_a_publisher_that_is_killed_and_a_check_that_finds_damage_are_told(one: Any) -> None:
    one.spec(**ONE, verify={"every": "1d"})
    one.settle()
    one.run("majors-verify", state={"terminated": {"exitCode": 137, "reason": "Error"}})
    one.settle(61)
    assert one.condition("StoreReady")["reason"] == "VerifyFailed"
    one.run("majors-publish", state={"terminated": {"exitCode": 137, "reason": "OOMKilled"}})
    one.settle(61)
    assert one.condition("StoreReady")["reason"] == "PublisherFailing"
    assert "limits.memory" in one.condition("StoreReady")["message"]


def checked(world: Any, findings: int, *audits: str) -> None:
    """A check of the whole store, with the very report that the worker leaves."""
    code = 1 if findings else 0
    pod = f"majors-verify-{world.at // 60_000}-p0"
    said = left.verified(Worker(writer=pod), code, findings, world.at, audits)
    world.run("majors-verify", state={"terminated": {"exitCode": code, "reason": "Error" if code else "Completed", "message": said}})
    world.settle(61)


def test_what_a_check_of_the_store_says_itself_is_told_until_a_later_one_finds_nothing(one: Any) -> None:
    one.spec(**ONE, verify={"every": "1d"})
    one.settle()
    one.run(OI, collected(one))
    checked(one, 7)
    assert (one.condition("StoreReady")["status"], one.condition("StoreReady")["reason"]) == ("False", "VerifyFailed")
    assert "7 things in the store are not as they should be" in one.condition("StoreReady")["message"]
    checked(one, 0, "binance funding: 30 rows asked again: 1 revised, in 1 call")
    assert one.condition("StoreReady")["reason"] == "Usable"
    assert "30 rows asked again: 1 revised" in one.condition("StoreReady")["message"]
    otherwise = Measured("okx", "instant", {"start": 40}).warning
    checked(one, 0, otherwise)
    assert (one.condition("StoreReady")["status"], otherwise in one.condition("StoreReady")["message"]) == ("True", True)


def test_a_run_that_was_told_to_end_before_it_asked_takes_nothing_back(one: Any) -> None:
    one.run(OI, collected(one))
    one.settle(61)
    before, events = one.line("binance", "open_interest"), len(one.cluster.events)
    one.settle(240)
    stopped = Stopped("stopped before anything was asked: the next run goes on")
    said = left.failure(Worker(writer=f"{OI}-{one.at // 60_000}-p0", work_hash=work(one)), 0, stopped, one.at)
    one.run(OI, said)
    one.settle(61)
    assert one.line("binance", "open_interest") == before
    assert one.condition("Ready")["reason"] == "Collecting"
    assert len(one.cluster.events) == events


def test_a_first_run_that_was_told_to_end_is_no_failure(one: Any) -> None:
    said = left.failure(Worker(writer=f"{OI}-{one.at // 60_000}-p0", work_hash=work(one)), 0, Stopped("stopped"), one.at)
    one.run(OI, said)
    one.settle(61)
    assert one.line("binance", "open_interest")["reason"] == "NotYetRun"
    assert "lastSuccess" not in one.line("binance", "open_interest")


def test_a_pause_outlives_a_spec_that_became_invalid(one: Any) -> None:
    one.run(OI, collected(one) | {"pauses": [{"venue": "binance", "until": one.at + 86_400_000}]})
    one.settle(61)
    pauses = one.status()["pauses"]
    assert pauses
    one.spec(**ONE, store={"persistentVolumeClaim": {"size": "much"}})
    one.settle(61)
    assert one.condition("Ready")["reason"] == "InvalidSpec"
    assert one.status()["pauses"] == pauses


def test_a_pod_that_was_evicted_speaks_no_more_once_another_is_in_its_place(streams: Any) -> None:
    name = "majors-okx-liquidations"
    full = {"exit": 1, "store_error": "the store has no room", "store_reason": "StoreFull"}
    said = json.dumps({"run": f"{name}-p0", "started": streams.at, "finished": streams.at} | streaming(streams) | full)
    streams.stream(name, 0, None)
    evicted = {"containerStatuses": [{"name": "worker", "state": {"terminated": {"exitCode": 1, "message": said}}}]}
    streams.cluster.edit(POD, NS, f"{name}-p0", lambda m: m.update(status={"phase": "Failed", "reason": "Evicted", **evicted}))
    streams.at += 1000
    streams.stream(name, 1, streaming(streams))
    streams.stream(name, 2, streaming(streams))
    streams.poll()
    streams.settle(61)
    assert streams.line("okx", "liquidations")["state"] == "Ok"
    assert streams.condition("StoreReady")["reason"] == "Usable"


def test_a_rollout_that_does_not_get_on_is_told_while_the_pods_before_it_work(streams: Any) -> None:
    name = "majors-okx-liquidations"
    for number in range(2):
        streams.stream(name, number, streaming(streams))
    streams.at += 60_000
    streams.stream(name, 2, None, ready=False)
    waiting = {"name": "worker", "image": "bad:tag", "state": {"waiting": {"reason": "ImagePullBackOff", "message": "not found"}}}
    streams.cluster.edit(POD, NS, f"{name}-p2", lambda m: m.update(status={"phase": "Pending", "containerStatuses": [waiting]}))
    streams.poll()
    streams.settle(61)
    line = streams.line("okx", "liquidations")
    assert (line["state"], line["reason"]) == ("Degraded", "ImagePull")
    assert "bad:tag" in line["message"]
    assert streams.condition("Ready")["reason"] == "Degraded"


def test_a_rollout_whose_pods_run_and_do_not_get_ready_is_told_once_the_cluster_gives_it_up(streams: Any) -> None:
    name = "majors-okx-liquidations"
    for number in range(2):
        streams.stream(name, number, streaming(streams))
    streams.at += 60_000
    streams.stream(name, 2, None, ready=False)
    streams.poll()
    streams.settle(61)
    assert streams.line("okx", "liquidations")["state"] == "Ok"
    given_up = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "has timed out progressing"}
    streams.cluster.edit(DEPLOYMENT, NS, name, lambda m: m.update(status={"conditions": [given_up]}))
    streams.settle(61)
    line = streams.line("okx", "liquidations")
    assert (line["state"], line["reason"]) == ("Degraded", "RolloutStuck")
    assert "has timed out progressing" in line["message"]


def test_pods_that_may_not_be_made_are_told(streams: Any) -> None:
    said = 'pods "x" is forbidden: exceeded quota: small'
    failure = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": said}
    streams.cluster.edit(DEPLOYMENT, NS, "majors-okx-liquidations", lambda m: m.update(status={"conditions": [failure]}))
    streams.settle(61)
    line = streams.line("okx", "liquidations")
    assert (line["state"], line["reason"]) == ("Failing", "PodsRefused")
    assert said in line["message"]


def test_a_pod_that_waits_for_its_venue_and_names_no_collection_yet_tells_its_pause(streams: Any) -> None:
    end = streams.at + 600_000
    paused = {"pauses": [{"venue": "okx", "until": end}], "collections": []}
    for number in range(2):
        streams.stream("majors-okx-liquidations", number, streaming(streams) | paused, ready=False)
    streams.poll()
    streams.settle(61)
    assert streams.status()["pauses"] == [{"exchange": "okx", "until": clock.iso(end)}]
    assert streams.line("okx", "liquidations")["reason"] == "NotYetRun"


def test_pods_that_are_ready_and_say_nothing_are_not_said_to_work(streams: Any) -> None:
    for number in range(2):
        streams.stream("majors-okx-liquidations", number, None)
    streams.poll()
    streams.settle(61)
    assert streams.line("okx", "liquidations")["reason"] == "NotYetRun"
    assert streams.condition("Ready")["reason"] == "Starting"


def test_a_restarted_operator_goes_on_from_what_it_knew_of_streams(streams: Any) -> None:
    for number in range(2):
        streams.stream("majors-okx-liquidations", number, streaming(streams, failed=["BTC: no acknowledgement"]))
    streams.poll()
    streams.settle(61)
    before, writes = streams.line("okx", "liquidations"), len(streams.cluster.writes)
    streams.restart()
    streams.settle(61)
    assert streams.line("okx", "liquidations") == before
    assert len(streams.cluster.writes) == writes


def test_a_replica_that_is_not_ready_is_explained_whichever_is_the_newer(streams: Any) -> None:
    name = "majors-okx-liquidations"
    old = streams.stream(name, 0, None, ready=False)
    looping = {"name": "worker", "state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": {"terminated": {"exitCode": 3}}}
    streams.cluster.edit(POD, NS, old["metadata"]["name"], lambda m: m["status"].update(containerStatuses=[looping]))
    streams.at += 1000
    streams.stream(name, 1, streaming(streams))
    streams.poll()
    streams.settle(61)
    line = streams.line("okx", "liquidations")
    assert line["reason"] == "ReplicaMissing"
    assert "exit code 3, again and again" in line["message"]


def test_a_pod_killed_for_memory_that_works_again_is_told_for_a_while(streams: Any) -> None:
    for number in range(2):
        pod = streams.stream("majors-okx-liquidations", number, streaming(streams))
    killed = {"lastState": {"terminated": {"reason": "OOMKilled", "exitCode": 137, "finishedAt": streams.cluster.now()}}}
    status = [{"name": "worker", "state": {"running": {}}, **killed}]
    streams.cluster.edit(POD, NS, pod["metadata"]["name"], lambda m: m["status"].update(containerStatuses=status))
    streams.poll()
    streams.settle(61)
    line = streams.line("okx", "liquidations")
    assert (line["state"], line["reason"]) == ("Degraded", "Restarted")
    streams.at += 600_000
    again(streams)
    assert streams.line("okx", "liquidations")["state"] == "Ok"


def again(world: Any) -> None:
    for key in world.operation.cache.specs():
        world.operation.queue.add(key)
    world.settle(61)
