"""Venues delist a contract, and list it again with another contract size, between runs of `perptape run --once`."""

import json
from functools import partial

import pytest

from perptape.store.tape import Tape

pytestmark = pytest.mark.slow
HOUR = 3_600_000


def test_a_contract_delisted_between_runs_is_filled_up_to_its_end_and_wanted_no_longer(simulated):
    run = partial(simulated.run, "run", simulated.spec("bybit", symbols="ADAUSDT-PERP"), "--once", "--catalog", "tape")
    simulated.skew(bybit=-3 * HOUR)
    assert run().returncode == 0
    end = simulated.now("bybit") + 2 * HOUR
    simulated.control("POST", "delist", {"venue": "bybit", "contract": "ADAUSDT", "at": end})
    simulated.skew(bybit=3 * HOUR)
    second = run()
    assert second.returncode == 0, second.stdout + second.stderr
    assert "bybit has delisted ADAUSDT-LINEAR.BYBIT" in second.stdout
    holes = simulated.run("gaps", "--fail", "--catalog", "tape", "-f", "json")
    assert (holes.returncode, json.loads(holes.stdout)) == (0, []), holes.stdout
    rows = Tape.open(str(simulated.folder / "tape")).read("open_interest").to_pylist()
    got = {row["ts_event"] // 1_000_000: row["oi_base"] for row in rows}
    truth = simulated.open_interest("bybit", "ADAUSDT", end - 4 * HOUR, end)
    assert {time: value for time, value in truth.items() if time + 300_000 <= end} == {
        time: got.get(time) for time in truth if time + 300_000 <= end
    }
    status = simulated.run("status", "--catalog", "tape")
    assert "bybit: ADAUSDT-LINEAR.BYBIT was delisted at" in status.stderr
    simulated.control("POST", "forget")
    assert run().returncode == 0
    assert not [one for one in simulated.data_requests("bybit") if "open-interest" in one["path"]]
    now = simulated.run("fetch-oi", "ADAUSDT-PERP", "-e", "bybit", "-f", "json")
    assert (now.returncode, json.loads(now.stdout)) == (0, []), now.stderr
    assert "nothing to show now, --from asks for its past" in now.stderr
    day = simulated.run("fetch-oi", "ADAUSDT-PERP", "-e", "bybit", "--from", "1d", "-f", "json", "--catalog", "other")
    assert day.returncode == 0, day.stderr
    assert len(json.loads(day.stdout)) > 200


def test_a_ticker_listed_again_shows_both_lives_with_their_units(simulated):
    spec = simulated.spec("okx", symbols="XRPUSDT-PERP")
    run = partial(simulated.run, "run", spec, "--once", "--catalog", "tape")
    simulated.skew(okx=-3 * HOUR)
    assert run().returncode == 0
    size = Tape.open(str(simulated.folder / "tape")).instruments("okx")[0].instrument.contract_size
    again = simulated.now("okx") + 2 * HOUR
    body = {"venue": "okx", "contract": "XRP-USDT-SWAP", "contract_size": str(size * 10), "at": again}
    simulated.control("POST", "relist", body)
    simulated.skew(okx=3 * HOUR)
    second = run()
    assert second.returncode == 0, second.stdout + second.stderr
    tape = Tape.open(str(simulated.folder / "tape"))
    assert [(s.instrument.contract_size, s.instrument.delisted) for s in tape.instruments("okx")] == [(size, again), (size * 10, None)]
    rows = {row["ts_event"] // 1_000_000: row for row in tape.read("open_interest").to_pylist()}
    old = [row["oi_base"] / row["oi_contracts"] for time, row in rows.items() if time + 300_000 <= again]
    new = [row["oi_base"] / row["oi_contracts"] for time, row in rows.items() if time >= again]
    assert old == pytest.approx([float(size)] * len(old))
    assert new == pytest.approx([float(size * 10)] * len(new))
    assert min(len(old), len(new)) > 5
    holes = simulated.run("gaps", "--fail", "--catalog", "tape", "-f", "json")
    assert (holes.returncode, json.loads(holes.stdout)) == (0, []), holes.stdout
    status = simulated.run("status", "--catalog", "tape")
    assert f"contract sizes in order: {size:f} until" in status.stderr
