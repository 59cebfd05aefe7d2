"""`symbols.select` over simulated venues and real CCXT clients: the largest by what the venue itself says; what becomes of one delisted."""

import json
import urllib.request
from functools import partial

import pytest

from perptape.simulation.market import Market
from perptape.store.tape import Tape

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


@pytest.mark.parametrize("venue", ["binance", "bybit", "okx", "hyperliquid", "deribit"])
def test_those_traded_most_are_collected(simulated, venue):
    """The simulator's ground truth says which; as many are chosen as tell volume from open interest today, by a margin."""
    quote, now = {"hyperliquid": "USDC", "deribit": "USDC"}.get(venue, "USDT"), simulated.now(venue)
    market = Market.standard(seed=1, symbols=12)  # those of `perptape simulate`
    live = [one for one in market.contracts(venue, now) if one.quote == quote and one.linear]

    def largest(size) -> tuple[list[str], list[float]]:
        sizes = {one.id: float(size(one, now) * market.price(one.base, now)) for one in live}
        order = sorted(sizes, key=lambda id: -sizes[id])
        return order, [sizes[id] for id in order]

    (traded, volumes), (held, _) = largest(market.volume), largest(market.open_interest)
    telling = [top for top in range(2, len(live)) if set(traded[:top]) != set(held[:top]) and volumes[top - 1] > 1.1 * volumes[top]]
    top = telling[-1]
    found = selecting(simulated, venue, f"{{quote: {quote}, top: {top}, by: volume}}")()
    assert found.returncode == 0, found.stdout + found.stderr
    tape = Tape.open(str(simulated.folder / "tape"))
    named = {one.id: one.venue_id for one in (seen.instrument for seen in tape.instruments(venue))}
    chosen = {named[want.instrument] for want in tape.coverage(venue, "open_interest").wants}
    assert chosen == set(traded[:top])


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
