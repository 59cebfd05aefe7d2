"""What the frames of each venue's WebSocket say, in the shapes that were recorded."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from perptape.exchanges import binance, bybit, deribit, okx
from perptape.exchanges._ccxt_stream import Connection
from perptape.exchanges.frames import Stream
from perptape.raw import RawLiquidation
from support.fake_exchange import perpetual


@dataclass
class Notes:
    """Implements `Hearing` and `Sink`."""

    told: list[Any] = field(default_factory=list)
    events: list[Any] = field(default_factory=list)
    bad: list[str] = field(default_factory=list)

    def feed(self, *what: Any) -> None:
        self.told.append(("feed", *what))

    def event(self, *what: Any) -> None:
        self.events.append(what)

    def liquidation(self, connection: str, event: RawLiquidation, received: int) -> None:
        self.events.append(event)

    def control(self, *what: Any) -> None:
        self.told.append(("control", *what))

    def acknowledged(self, *what: Any) -> None:
        self.told.append(("acknowledged", *what))

    def refused(self, *what: Any) -> None:
        self.told.append(("refused", *what))

    def closed(self, *what: Any) -> None:
        self.told.append(("closed", *what))

    def malformed(self, *what: Any) -> None:
        self.bad.append(str(what))


def heard(stream: Stream, *frames: Any) -> Notes:
    notes = Notes()
    for frame in frames:
        stream.read(frame, notes)
    return notes


ORDER = {"s": "BTCUSDT", "S": "BUY", "q": "0.014", "p": "4793.91", "ap": "4706.04", "X": "FILLED", "l": "0.015", "z": "0.014", "T": 1584}


def test_binance_counts_the_whole_quantity_and_not_the_last_fill() -> None:
    notes = heard(binance.STREAM, {"e": "forceOrder", "E": 1590, "o": ORDER})
    assert notes.events == [("BTCUSDT", 1584, "BUY", "4793.91", "4706.04", "0.014", None)]
    assert notes.told == [("feed", None)]


def test_binance_speaks_on_its_market_path_with_feed_and_control_on_one_connection() -> None:
    (frame,) = binance.STREAM.subscribe(["BTCUSDT"], "btcusdt@markPrice@1s")
    assert frame["params"] == ["!forceOrder@arr", "btcusdt@markPrice@1s"]
    assert binance.STREAM.finish("wss://fstream.binance.com/ws") == "wss://fstream.binance.com/market/ws/1"
    notes = heard(binance.STREAM, {"result": None, "id": 1}, {"e": "markPriceUpdate", "E": 1597, "s": "BTCUSDT", "p": "1"})
    assert notes.told == [("acknowledged", 1), ("control", 1597)]


def test_bybit_sends_the_positions_side_in_batches_and_every_item_counts() -> None:
    items = [{"T": 10 + n, "s": "ROSEUSDT", "S": side, "v": "20", "p": "0.02"} for n, side in enumerate(("Buy", "Sell", "Buy"))]
    notes = heard(bybit.STREAM, {"topic": "allLiquidation.ROSEUSDT", "type": "snapshot", "ts": 99, "data": items})
    assert [(event[1], event[2]) for event in notes.events] == [(10, "SELL"), (11, "BUY"), (12, "SELL")]
    assert notes.told == [("feed", "ROSEUSDT")]


def test_a_bad_item_of_a_batch_does_not_take_the_others_with_it() -> None:
    good = {"T": 1, "s": "BTCUSDT", "S": "Buy", "v": "20", "p": "0.02"}
    notes = heard(bybit.STREAM, {"topic": "allLiquidation.BTCUSDT", "ts": 1, "data": [{**good, "S": "Both"}, {"T": 2}, None, good]})
    assert len(notes.events) == 1
    assert len(notes.bad) == 3


def test_bybit_subscribes_to_each_symbol_in_frames_of_a_hundred() -> None:
    frames = bybit.STREAM.subscribe([f"C{n}USDT" for n in range(250)], "tickers.BTCUSDT")
    assert [len(frame["args"]) for frame in frames] == [100, 100, 51]
    assert bybit.STREAM.acknowledgements(frames) == 3
    refused = {"success": False, "ret_msg": "error:handler not found,topic:x", "op": "subscribe"}
    pong = {"success": True, "ret_msg": "pong", "op": "ping"}
    notes = heard(bybit.STREAM, {"success": True, "ret_msg": "", "op": "subscribe"}, refused, pong)
    assert notes.told == [("acknowledged", 1), ("refused", "error:handler not found,topic:x")]


def test_okx_sends_many_details_for_many_instruments_and_all_count() -> None:
    detail = {"bkLoss": "0", "bkPx": "0.55205", "ccy": "", "posSide": "short", "side": "buy", "sz": "39", "ts": "1680173247614"}
    data = [{"details": [detail, {**detail, "sz": "40", "side": "sell"}], "instId": id, "instType": "SWAP"} for id in ("A-SWAP", "B-SWAP")]
    notes = heard(okx.STREAM, {"arg": {"channel": "liquidation-orders", "instType": "SWAP"}, "data": data})
    assert [(e[0], e[2], e[5]) for e in notes.events] == [
        ("A-SWAP", "BUY", "39"), ("A-SWAP", "SELL", "40"), ("B-SWAP", "BUY", "39"), ("B-SWAP", "SELL", "40"),
    ]  # fmt: skip
    assert set(notes.told) == {("feed", None, 1680173247614)}


def test_okx_acknowledges_each_topic_by_itself() -> None:
    frames = okx.STREAM.subscribe(["A-SWAP"], "tickers:BTC-USDT-SWAP")
    assert frames[0]["args"] == [
        {"channel": "liquidation-orders", "instType": "SWAP"},
        {"channel": "tickers", "instId": "BTC-USDT-SWAP"},
    ]
    assert okx.STREAM.acknowledgements(frames) == 2
    notes = heard(okx.STREAM, {"event": "subscribe", "arg": {}}, {"event": "error", "code": "60018", "msg": "Wrong URL"})
    assert notes.told == [("acknowledged", 1), ("refused", "Wrong URL")]


TRADE = {"trade_id": "ETH-1", "timestamp": 7, "price": 4469.5, "instrument_name": "ETH-PERPETUAL", "direction": "sell", "amount": 20.0,
         "contracts": 20.0}  # fmt: skip


@pytest.mark.parametrize(("flag", "sides"), [("T", ["SELL"]), ("M", ["BUY"]), ("MT", ["SELL", "BUY"]), (None, []), ("none", [])])
def test_deribits_liquidations_are_flagged_trades(flag: str | None, sides: list[str]) -> None:
    trade = TRADE if flag is None else {**TRADE, "liquidation": flag}
    notes = heard(deribit.STREAM, {"params": {"channel": "trades.ETH-PERPETUAL.100ms", "data": [TRADE, trade]}, "method": "subscription"})
    assert [event[2] for event in notes.events] == sides
    assert all(event[6] == "ETH-1" and event[5] == 20.0 for event in notes.events)
    assert notes.told == [("feed", "ETH-PERPETUAL")], "a trade that is no liquidation also proves the feed"


@pytest.mark.parametrize("entry", [{}, {"0": TRADE}])
def test_what_names_no_contract_is_no_trade_that_liquidated_nobody(entry: Any) -> None:
    notes = heard(deribit.STREAM, {"params": {"channel": "trades.ETH-PERPETUAL.100ms", "data": [entry, TRADE]}, "method": "subscription"})
    (said,) = notes.bad
    assert "instrument_name: is missing" in said


def test_deribit_counts_the_channels_that_it_took() -> None:
    frames = deribit.STREAM.subscribe(["ETH-PERPETUAL"], "ticker.BTC-PERPETUAL.100ms")
    assert deribit.STREAM.acknowledgements(frames) == 2
    notes = heard(deribit.STREAM, {"id": 0, "result": ["ticker.BTC-PERPETUAL.100ms"]}, {"id": 0, "error": {"message": "no", "code": 1}})
    assert notes.told == [("acknowledged", 1), ("refused", "no")]


def connection(notes: Notes) -> Connection:
    return Connection("c", [perpetual(binance.TRAITS, "BTC")], notes, lambda: 5)


def test_a_frame_that_cannot_be_understood_is_told_and_ends_nothing() -> None:
    notes = Notes()
    mine = connection(notes)
    for frame in ("{", "", "[1]", "7", "null", '{"e":"forceOrder","o":{}}', '{"e":"forceOrder"}', '{"e":"markPriceUpdate"}'):
        mine.frames([frame], binance.STREAM)
    assert len(notes.bad) == 8
    mine.frames([json.dumps({"e": "forceOrder", "E": 1, "o": ORDER})], binance.STREAM)
    assert len(notes.events) == 1
    mine.frames(["pong"], binance.STREAM)
    assert len(notes.bad) == 8


def test_events_of_contracts_that_nobody_wants_only_prove_the_feed() -> None:
    notes = Notes()
    connection(notes).frames([json.dumps({"e": "forceOrder", "E": 1, "o": {**ORDER, "s": "ETHUSDT"}})], binance.STREAM)
    assert notes.events == []
    assert notes.told == [("feed", "c", None, 5)]


def test_only_the_last_acknowledgement_counts_as_one() -> None:
    notes = Notes()
    mine = connection(notes)
    mine.expect(2)
    mine.acknowledged(1)
    assert notes.told == []
    mine.acknowledged(1)
    assert [what[0] for what in notes.told] == ["acknowledged"]
