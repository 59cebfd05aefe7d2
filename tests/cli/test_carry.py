"""What a run is asked to do, out of the file, the options and the environment."""

import asyncio
import gc
import os
import signal
from dataclasses import replace

import pytest

from perptape.cli.carry import carried_out
from perptape.cli.daemon import document, every, made, wanting
from perptape.cli.order import Order, overridden, request
from perptape.cli.present import verdict
from perptape.cli.stop import Stop
from perptape.cli.streaming import Streaming
from perptape.collect.current import Said
from perptape.errors import Retry, Stopped, UsageError
from perptape.instruments import Resolution
from perptape.settings import settings
from perptape_api.collect import Liquidations
from perptape_api.document import parse

BOTH = {"openInterest": {}, "liquidations": {}}
COLLECTION = parse(document("majors", ["BTCUSDT-PERP"], ["binance", "okx"], BOTH), "majors.yaml")
ORDER = Order(COLLECTION, source="majors.yaml")


def test_a_file_is_carried_out_whole_until_it_is_stopped() -> None:
    asked = request(ORDER, settings({}), "me")
    assert (asked.spec_id, asked.writer, asked.once, asked.scheduled) == ("majors.yaml:majors", "me", False, False)
    assert (asked.venues, asked.datasets) == (("binance", "okx"), ("open_interest", "liquidations"))
    assert (asked.deadline_s, asked.since, asked.session) == (None, None, "")


def test_a_part_of_it_may_be_chosen_and_given_a_deadline() -> None:
    asked = request(Order(COLLECTION, "majors.yaml", ("okx",), ("oi",), once=True, deadline="90s"), settings({}), "me")
    assert (asked.venues, asked.datasets, asked.once, asked.deadline_s) == (("okx",), ("open_interest",), True, 90.0)


def test_a_pod_is_told_its_session_and_its_time_by_the_environment() -> None:
    environ = {
        "PERPTAPE_SESSION": "abc@2026-03-01T12:00:00Z",
        "PERPTAPE_WANTED_SINCE": "2026-03-01T12:00:00Z",
        "PERPTAPE_WORK_HASH": "abc",
        "PERPTAPE_TIME_BUDGET": "240",
    }
    asked = request(ORDER, settings(environ), "pod-1")
    assert (asked.session, asked.since, asked.work_hash) == ("abc@2026-03-01T12:00:00Z", 1_772_366_400_000, "abc")
    assert (asked.scheduled, asked.deadline_s) == (True, 240.0)


@pytest.mark.parametrize(("said", "size"), [("", 64 * 2**20), ("128Mi", 2**27), ("1048576", 2**20), ("1Gi", 2**30)])
def test_the_reserve_of_a_streams_log_is_what_the_environment_says(said: str, size: int) -> None:
    assert request(ORDER, settings({"PERPTAPE_LOG_RESERVE": said}), "me").reserve == size


@pytest.mark.parametrize(("environ", "size"), [({}, 2**28), ({"PERPTAPE_LOG_RESERVE": "128Mi"}, 2**27)])
def test_the_reserve_of_a_streams_log_is_what_the_spec_says_where_the_environment_is_silent(environ: dict[str, str], size: int) -> None:
    spec = ORDER.collection.spec
    collect = spec.collect.model_copy(update={"liquidations": Liquidations(log_reserve="256Mi")})
    collection = ORDER.collection.model_copy(update={"spec": spec.model_copy(update={"collect": collect})})
    assert request(replace(ORDER, collection=collection), settings(environ), "me").reserve == size


@pytest.mark.parametrize("said", ["64MB", "-1", "1023Ki", "much"])
def test_a_reserve_that_is_none_is_refused(said: str) -> None:
    with pytest.raises(UsageError, match=r"PERPTAPE_LOG_RESERVE=.* write it as 64Mi"):
        settings({"PERPTAPE_LOG_RESERVE": said})


def test_a_run_that_is_told_to_end_before_it_is_under_way_ends_without_a_word_of_what_was_at_work(caplog: pytest.LogCaptureFixture) -> None:
    async def asked_ahead() -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    async def run() -> None:
        asking = asyncio.ensure_future(asked_ahead())
        await carried_out(ORDER, replace(settings({}), start_delay_s=60))
        await asking

    before = signal.signal(signal.SIGTERM, Stop())
    try:
        with pytest.raises(Stopped):
            asyncio.run(run())
    finally:
        signal.signal(signal.SIGTERM, before)
    gc.collect()
    assert [record.getMessage() for record in caplog.records] == []


@pytest.mark.parametrize("environ", [{"PERPTAPE_WANTED_SINCE": "noon"}, {"PERPTAPE_TIME_BUDGET": "soon"}])
def test_an_environment_that_means_nothing_is_refused(environ: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="is not a"):
        settings(environ)


def test_live_leaves_out_the_endpoints_of_the_file_and_of_the_environment_and_names_those() -> None:
    plain = document("a", ["BTCUSDT-PERP"], ["binance", "okx"], BOTH)
    plain["spec"]["venues"] = [{"exchange": one, "endpoint": "http://simulated:1"} for one in ("binance", "okx")]  # type: ignore[index]
    environment = settings({"PERPTAPE_OKX_ENDPOINT": "http://simulated:2", "PERPTAPE_BYBIT_ENDPOINT": "http://simulated:3"})
    order = Order(parse(plain, "a.yaml"), "a.yaml", live=True)
    assert [one.endpoint for one in request(order, environment, "me").access.values()] == [None, None]
    assert overridden(order, environment) == ["PERPTAPE_OKX_ENDPOINT", "the endpoints of binance, okx in a.yaml"]
    bare = Order(parse(document("a", ["BTCUSDT-PERP"], ["binance", "okx"], BOTH), "a.yaml"), "a.yaml", live=True)
    assert overridden(bare, environment) == ["PERPTAPE_OKX_ENDPOINT"]
    assert overridden(bare, settings({})) == []
    assert overridden(replace(order, live=False), environment) == []
    with pytest.raises(UsageError, match="leave out --endpoint, or --live"):
        request(replace(order, endpoints=("okx=http://proxy:1",)), environment, "me")


@pytest.mark.parametrize(("minutes", "said"), [(5, "5m"), (60, "1h"), (480, "8h"), (1440, "1d")])
def test_minutes_become_what_the_spec_says(minutes: int, said: str) -> None:
    assert every(minutes, "--oi-interval") == said


def answer(*rows: str, resolved: tuple[str, ...] = (), unknown: dict[str, str] | None = None, dropped: tuple[str, ...] = ()) -> Said:
    found = [Resolution(word, "okx", None, f"okx has delisted {word}: nothing to collect") for word in resolved]
    return Said([(row,) for row in rows], found, (), 0, "live", dropped, unknown)


DOWN = Retry("refused")


@pytest.mark.parametrize(
    ("answers", "code", "errors"),
    [
        ({"okx": answer("row")}, 0, 0),
        ({"okx": answer("row"), "bybit": DOWN}, 1, 1),
        ({"okx": DOWN, "bybit": DOWN}, 3, 2),
        ({"okx": answer(resolved=("OLD",))}, 0, 0),
        ({"okx": answer(unknown={"NOPE": "okx has no NOPE"})}, 2, 1),
        ({"okx": answer(unknown={"OLD": "okx has no OLD"}), "bybit": answer(resolved=("OLD",))}, 0, 0),
        ({"okx": answer(unknown={"NOPE": "okx has no NOPE"}), "bybit": DOWN}, 1, 2),
        ({"okx": answer("row", dropped=("BTC: rate: NaN",))}, 1, 0),
    ],
)
def test_how_a_question_to_several_venues_ends(answers: dict[str, Said | Retry], code: int, errors: int) -> None:
    found = verdict(answers)
    assert (found.code, len(found.errors)) == (code, errors)


def test_the_same_command_given_again_is_who_wanted_before_and_one_that_asks_for_something_else_is_not() -> None:
    def daemon(*symbols: str, minutes: int = 5) -> str:
        return wanting("daemon", made(list(symbols), ("binance",), minutes, 60, True).spec)

    def stream(*words: str) -> str:
        return Streaming(words, ("binance",), {}, "table", False, True, None, None).request(settings({})).spec_id

    btc, eth = "BTCUSDT-PERP", "ETHUSDT-PERP"
    assert daemon(btc, eth) == daemon(eth, btc)
    assert len({daemon(btc), daemon(eth), daemon(btc, eth), daemon(btc, minutes=1)}) == 4
    assert stream(btc) == stream(btc) != stream(eth)
