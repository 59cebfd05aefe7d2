"""A collector that stays: it is told of, and counts, as one that a CronJob starts."""

import json
from typing import Any

import pytest

from perptape_api.names import WORK_HASH_ANNOTATION
from perptape_operator import clock
from perptape_operator.kinds import CRON_JOB, DEPLOYMENT, JOB, POD
from perptape_operator.settings import Settings

NS = "trading"
OI = "majors-binance-open-interest"


@pytest.fixture
def resident(worlds: Any) -> Any:
    world = worlds(Settings(identity="ns.perptape", through_proxy=True))
    world.spec(venues=[{"exchange": "binance"}], collect={"openInterest": {"every": "1m"}})
    world.settle()
    return world


def said(world: Any, **more: Any) -> dict[str, Any]:
    template = world.children()[("Deployment", OI)]["spec"]["template"]
    part = {"venue": "binance", "dataset": "open_interest", "state": "ok", "watermark": world.at, "due": world.at, "last_run": world.at}
    return {"work_hash": template["metadata"]["annotations"][WORK_HASH_ANNOTATION], "collections": [part | more]}


def tells(world: Any, pod: str, started: int, **more: Any) -> None:
    world.cluster.answers[pod] = json.dumps({"run": pod, "started": started} | said(world, **more))
    world.at += 61_000
    world.poll()
    world.settle(61)


@pytest.mark.parametrize(
    "collect", [{"every": "1m"}, {"every": "4m"}, {"every": "5m", "mode": "resident"}, {"every": "1h", "mode": "resident"}]
)
def test_it_is_a_deployment_of_one_and_nothing_else(world: Any, collect: dict[str, str]) -> None:
    world.spec(venues=[{"exchange": "binance"}], collect={"openInterest": collect})
    world.settle()
    child = world.children()[("Deployment", OI)]
    assert child["spec"]["replicas"] == 1
    assert "--once" not in child["spec"]["template"]["spec"]["containers"][0]["args"]
    assert {name for kind, name in world.children(CRON_JOB)} == {"majors-publish", "majors-verify"}
    assert not world.children(JOB)
    line = world.line("binance", "open_interest")
    assert (line["child"], line["schedule"]) == (f"deployment/{OI}", f"resident, every {collect['every']}")


def test_a_mode_of_job_keeps_a_cron_job_below_five_minutes(world: Any) -> None:
    world.spec(venues=[{"exchange": "binance"}], collect={"openInterest": {"every": "1m", "mode": "job"}})
    world.settle()
    assert world.children()[("CronJob", OI)]["spec"]["schedule"] == "* * * * *"


def test_its_status_reads_as_a_jobs(resident: Any) -> None:
    started = resident.at
    pod = resident.stream(OI, 0, None)["metadata"]["name"]
    tells(resident, pod, started, rows=4, last_success=resident.at, gaps={"open": 0, "lost": 0}, symbols={"wanted": 2, "collected": 2})
    line = resident.line("binance", "open_interest")
    assert (line["state"], line["rows"], line["lastRun"], line["lastSuccess"]) == ("Ok", 4, clock.iso(started), clock.iso(started))
    assert line["watermark"] == clock.iso(started)
    assert [resident.condition(type_)["status"] for type_ in ("Ready", "Collecting", "StoreReady")] == ["True"] * 3


def test_rows_add_up_over_processes(resident: Any) -> None:
    pod, started = resident.stream(OI, 0, None)["metadata"]["name"], resident.at
    tells(resident, pod, started, rows=4)
    tells(resident, pod, started, rows=10)
    resident.restart()
    tells(resident, pod, started, rows=12)
    resident.cluster.remove(POD, NS, pod)
    pod, started = resident.stream(OI, 1, None)["metadata"]["name"], resident.at
    tells(resident, pod, started, rows=3)
    tells(resident, pod, started, rows=5)
    assert resident.line("binance", "open_interest")["rows"] == 17
    resident.spec(venues=[{"exchange": "binance"}], collect={"openInterest": {"every": "1m"}}, symbols={"names": ["BTCUSDT-PERP"]})
    resident.settle()
    resident.cluster.remove(POD, NS, pod)
    pod, started = resident.stream(OI, 2, None)["metadata"]["name"], resident.at
    tells(resident, pod, started, rows=1)
    assert resident.line("binance", "open_interest")["rows"] == 18


def test_a_failure_and_what_remains_are_told(resident: Any) -> None:
    pod, started = resident.stream(OI, 0, None)["metadata"]["name"], resident.at
    tells(resident, pod, started, remaining=7)
    line = resident.line("binance", "open_interest")
    assert (line["state"], line["reason"]) == ("Ok", "CatchingUp")
    tells(resident, pod, started, failed=["ETHUSDT-PERP: refused"], state="partial")
    line = resident.line("binance", "open_interest")
    assert (line["state"], line["reason"], line["message"]) == ("Degraded", "SomeFailed", "ETHUSDT-PERP: refused")
    tells(resident, pod, started, state="failed", error="api.binance.com: connection refused")
    assert resident.line("binance", "open_interest")["reason"] == "NothingObtained"
    assert resident.condition("Ready")["status"] == "False"


def test_it_falls_behind_as_a_job_does(resident: Any) -> None:
    pod, started = resident.stream(OI, 0, None)["metadata"]["name"], resident.at
    tells(resident, pod, started)
    assert resident.condition("Complete")["reason"] != "Behind"
    tells(resident, pod, started, watermark=resident.at - 600_000)
    assert resident.condition("Complete")["reason"] == "Behind"


def test_it_stands_still_while_suspended(resident: Any) -> None:
    resident.spec(venues=[{"exchange": "binance"}], collect={"openInterest": {"every": "1m"}}, suspend=True)
    resident.settle()
    assert resident.children(DEPLOYMENT)[("Deployment", OI)]["spec"]["replicas"] == 0
    assert resident.line("binance", "open_interest")["state"] == "Suspended"


def test_before_its_first_fetch_nothing_is_claimed(resident: Any) -> None:
    pod, started = resident.stream(OI, 0, None)["metadata"]["name"], resident.at
    tells(resident, pod, started, last_run=None, watermark=None)
    assert resident.line("binance", "open_interest")["reason"] == "NotYetRun"
    assert resident.condition("Ready")["reason"] == "Starting"
    tells(resident, pod, started, last_run=None, watermark=None, error="api.binance.com: connection refused", state="failed")
    assert resident.line("binance", "open_interest")["reason"] == "NothingObtained", "but a failure is told at once"
