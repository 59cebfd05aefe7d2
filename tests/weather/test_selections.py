"""`symbols.select` over simulated venues and real CCXT clients: the largest by what the venue itself says; what becomes of one delisted."""

import json
import urllib.request
from functools import partial

import pytest

from perptape.store.catalog import Tape

pytestmark = pytest.mark.slow
HOUR = 3_600_000


def sizes(simulated) -> dict[str, float]:
    """USD held in each contract of Binance, asked without perptape."""

    def get(path: str):
        with urllib.request.urlopen(simulated.endpoints["binance"] + path, timeout=30) as answer:
            return json.load(answer)

    marks = {one["symbol"]: float(one["markPrice"]) for one in get("/fapi/v1/premiumIndex")}
    listed = [one for one in get("/fapi/v1/exchangeInfo")["symbols"] if one["contractType"] == "PERPETUAL"]
    perpetuals = [one["symbol"] for one in listed if one["status"] == "TRADING"]
    return {one: float(get(f"/fapi/v1/openInterest?symbol={one}")["openInterest"]) * marks[one] for one in perpetuals}


def selecting(simulated, venue: str, select: str):
    spec = simulated.spec(venue)
    spec.write_text(spec.read_text().replace("{names: [BTCUSDT-PERP]}", f"{{select: {select}}}"))
    return partial(simulated.run, "run", spec, "--once", "--catalog", "tape")


def collected(simulated) -> set[str]:
    rows = Tape.open(str(simulated.folder / "tape")).read("open_interest")
    return {one.partition("-")[0] for one in rows["instrument_id"].to_pylist()}


def test_the_largest_of_a_venue_are_collected(simulated):
    run = selecting(simulated, "binance", "{quote: USDT, top: 3}")
    found = run()
    assert found.returncode == 0, found.stdout + found.stderr
    chosen, held = collected(simulated), sizes(simulated)
    assert len(chosen) == 3
    least, left = min(held[one] for one in chosen), max(size for one, size in held.items() if one not in chosen and one.endswith("USDT"))
    assert least > 0.98 * left, "sizes moved a little since"


def test_a_chosen_contract_that_is_delisted_is_told_and_what_was_missed_of_it_is_filled(simulated):
    run = selecting(simulated, "bybit", '{match: "^(ADA|BTC)USDT-"}')
    simulated.skew(bybit=-3 * HOUR)
    assert run().returncode == 0
    assert collected(simulated) == {"ADAUSDT", "BTCUSDT"}
    simulated.control("POST", "delist", {"venue": "bybit", "contract": "ADAUSDT", "at": simulated.now("bybit") + 2 * HOUR})
    simulated.skew(bybit=3 * HOUR)
    again = run()
    assert again.returncode == 0, again.stdout + again.stderr
    assert "bybit has delisted ADAUSDT-LINEAR.BYBIT" in again.stdout
    holes = simulated.run("gaps", "--fail", "--catalog", "tape", "-f", "json")
    assert (holes.returncode, json.loads(holes.stdout)) == (0, []), holes.stdout
