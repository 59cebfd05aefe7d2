"""Replicas of a sampled feed that do not hear the same: how often is told by `perptape verify`, as the venue's own log has it."""

import json
import signal
import time

import pytest

from perptape.interval import SECOND
from perptape.store.tape import Tape
from support.simulator import ended, simulator

pytestmark = pytest.mark.slow
CONTRACTS = {"BTCUSDT": "BTCUSDT-PERP.BINANCE", "ETHUSDT": "ETHUSDT-PERP.BINANCE"}


@pytest.fixture
def simulated(tmp_path):
    with simulator(tmp_path, "--unlimited", "-e", "binance") as found:
        for contract in CONTRACTS:
            found.control("POST", "rate", {"venue": "binance", "contract": contract, "per_second": 5})
        yield found


def sessions(simulated):
    return [one for one in simulated.control("GET", "truth", venue="binance") if one["subscriptions"]]


def heard(simulated, tmp_path, seconds):
    """What two processes that stream at once leave in a tape of their own making, and who was sent what, by connection."""
    spec = simulated.spec("binance", symbols="BTCUSDT-PERP, ETHUSDT-PERP", collect="{liquidations: {replicas: 1}}")
    processes = [simulated.start("run", spec, "--catalog", tmp_path / "tape") for _ in range(2)]
    end = time.monotonic() + 60
    while len(found := sessions(simulated)) < 2 or simulated.now("binance") < max(one["opened"] for one in found) + seconds * SECOND:
        assert time.monotonic() < end, [one.poll() for one in processes]
        time.sleep(0.2)
    for process in processes:
        process.send_signal(signal.SIGTERM)
    done = [ended(process, 30) for process in processes]
    assert [one.returncode for one in done] == [0, 0], [one.stderr for one in done]
    sent = [
        {(event["contract"], event["time"], event["seq"]) for push in one["sent"] for event in push["liquidations"]}
        for one in sessions(simulated)
    ]
    return spec, Tape.open(str(tmp_path / "tape")), sent


def test_seconds_in_which_replicas_heard_something_else_are_counted_as_they_were_sent(simulated, tmp_path):
    simulated.fault(kind="mute", venue="binance", path="forceOrder", share=0.25)
    spec, tape, sent = heard(simulated, tmp_path, 25)
    claims = [one for one in tape.coverage("binance", "liquidations").claims if one.kind == "sampled" and len(one.connections) > 1]
    assert claims
    inside = {
        event for event in set.union(*sent) if any(one.instrument == CONTRACTS.get(event[0]) and event[1] in one.span for one in claims)
    }
    alone = {event for event in inside if not all(event in each for each in sent)}
    assert len(sent) == 2
    assert len(inside) > len(alone) > 3
    (found,) = tape.agreements()
    assert (found.events, found.alone) == (len(inside), len(alone))
    assert found.seconds == len({(contract, at // SECOND) for contract, at, _ in inside})
    assert found.differing == len({(contract, at // SECOND) for contract, at, _ in alone})

    report = tmp_path / "report"
    done = simulated.run("verify", spec, "--catalog", tape.location, PERPTAPE_TERMINATION_LOG=str(report), PERPTAPE_LOG_FORMAT="json")
    assert done.returncode == 0, done.stderr
    assert str(found) in done.stderr
    assert str(found) in json.loads(report.read_text())["notes"]
    (line,) = [
        line for text in done.stderr.splitlines() if text.startswith("{") and (line := json.loads(text))["event"] == "replicas compared"
    ]
    assert (line["venue"], line["outcome"], line["differing"]) == ("binance", "differs", found.differing)
    assert str(found) in simulated.run("verify", "--catalog", tape.location).stderr  # no venue need be asked


def test_replicas_that_hear_the_same_agree(simulated, tmp_path):
    _, tape, _ = heard(simulated, tmp_path, 12)
    (found,) = tape.agreements()
    assert found.together > 3 * SECOND
    assert found.events > 5
    assert (found.differing, found.alone) == (0, 0)
