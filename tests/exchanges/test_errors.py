"""What a venue's failure means for the caller: the answers that CCXT files under the wrong class above all."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest

from perptape.errors import Fatal, PerptapeError, Retry, Skip
from perptape.exchanges import binance, bybit, deribit, hyperliquid, okx
from perptape.exchanges._ccxt_errors import BAN, MAINTENANCE, TOO_FREQUENT, Seen, Translator, retry_after
from perptape.exchanges._ccxt_lite import errors
from perptape.exchanges.calls import Unlisted
from perptape.exchanges.culprit import Malformed

CCXT = errors()
NOW = 1_750_000_000_000
HTML = "<html><body>Forbidden</body></html>"


def translated(
    venue: object, error: BaseException, status: int = 0, body: str = "", headers: dict[str, str] | None = None
) -> PerptapeError:
    translator = Translator("venue", CCXT, venue.CODES)  # type: ignore[attr-defined]
    return translator.translated(error, Seen(status, headers or {}, body), NOW)


@pytest.mark.parametrize(
    ("venue", "error", "status", "body"),
    [
        (binance, CCXT.DDoSProtection("x"), 429, '{"code":-1003,"msg":"Too many requests"}'),
        (okx, CCXT.RateLimitExceeded("x"), 429, '{"code":"50011","msg":"Too Many Requests","data":[]}'),
        (bybit, CCXT.RateLimitExceeded("x"), 200, '{"retCode":10006,"retMsg":"Too many visits"}'),
        (hyperliquid, CCXT.RateLimitExceeded("x"), 429, "null"),
        (bybit, CCXT.ExchangeError("x"), 200, '{"retCode":10016,"retMsg":"System error"}'),
        (deribit, CCXT.ExchangeError("x"), 503, '{"jsonrpc":"2.0","error":{"message":"unavailable","code":13503}}'),
        (deribit, CCXT.ExchangeError("x"), 400, '{"error":{"message":"matching_engine_queue_full","code":10047}}'),
        (binance, CCXT.OperationFailed("x"), 503, '{"code":-1000,"msg":"unknown"}'),
        (binance, CCXT.ExchangeNotAvailable("x"), 502, HTML),
        (binance, CCXT.ExchangeError("a body cut short"), 0, ""),
        (binance, CCXT.RequestTimeout("x"), 0, ""),
        (binance, CCXT.NullResponse("x"), 200, ""),
        (bybit, IndexError("list index out of range"), 200, "[]"),
        (okx, KeyError("data"), 200, "{}"),
        (okx, TypeError("None"), 200, ""),
        (okx, Malformed("HTML"), 200, HTML),
        (okx, TimeoutError(), 0, ""),
        (okx, ConnectionResetError(), 0, ""),
    ],
)
def test_what_may_pass_is_asked_again(venue: object, error: BaseException, status: int, body: str) -> None:
    found = translated(venue, error, status, body)
    assert isinstance(found, Retry)
    assert not found.banned
    assert "\n" not in str(found)


@pytest.mark.parametrize(
    ("venue", "error", "status", "body", "shrink"),
    [
        (binance, CCXT.BadRequest("x"), 400, '{"code":-1130,"msg":"parameter \'startTime\' is invalid."}', True),
        (binance, CCXT.BadSymbol("x"), 400, '{"code":-1121,"msg":"Invalid symbol."}', False),
        (binance, CCXT.BadRequest("x"), 400, '{"code":-4108,"msg":"Symbol is on delivering"}', False),
        (okx, CCXT.BadSymbol("x"), 200, '{"code":"51001","msg":"Instrument ID does not exist","data":[]}', False),
        (bybit, CCXT.BadRequest("x"), 200, '{"retCode":10001,"retMsg":"params error: symbol invalid"}', False),
        (deribit, CCXT.BadRequest("x"), 400, '{"error":{"message":"not_found","code":13020}}', False),
        (hyperliquid, CCXT.ExchangeError("x"), 422, "Failed to deserialize the JSON body", False),
        (okx, Unlisted("does not list NOPE"), 200, "", False),
    ],
)
def test_what_asking_again_will_not_change_is_skipped(venue: object, error: Exception, status: int, body: str, shrink: bool) -> None:
    found = translated(venue, error, status, body)
    assert isinstance(found, Skip)
    assert found.shrink is shrink


@pytest.mark.parametrize("tls", ["default", "False", "<ssl.SSLContext object at 0x7f>"])
def test_a_connection_that_fails_says_nothing_of_tls(tls: str) -> None:
    error = CCXT.NetworkError("x")
    error.__cause__ = OSError(f"Cannot connect to host 127.0.0.1:9 ssl:{tls} [Connect call failed ('127.0.0.1', 9)]")
    assert str(translated(binance, error)) == "venue: OSError: Cannot connect to host 127.0.0.1:9 [Connect call failed ('127.0.0.1', 9)]"


def test_keys_that_are_wrong_end_the_venue() -> None:
    assert isinstance(translated(binance, CCXT.AuthenticationError("x"), 401, '{"code":-2015}'), Fatal)
    assert isinstance(translated(binance, CCXT.NotSupported("x")), Fatal)


def test_a_ban_says_how_long_and_stops_everything() -> None:
    told = translated(binance, CCXT.DDoSProtection("x"), 418, "{}", {"retry-after": "300"})
    silent = translated(binance, CCXT.DDoSProtection("x"), 418, "{}")
    frequent = translated(bybit, CCXT.RateLimitExceeded("x"), 403, "<html>access too frequent</html>")
    assert [(e.after, e.banned) for e in (told, silent, frequent) if isinstance(e, Retry)] == [
        (300, True),
        (BAN, True),
        (TOO_FREQUENT, True),
    ]


def test_maintenance_waits_long() -> None:
    found = translated(okx, CCXT.OnMaintenance("x"), 503, '{"code":"50001","msg":"Service temporarily unavailable"}')
    assert isinstance(found, Retry)
    assert found.after == MAINTENANCE


@pytest.mark.parametrize("status", [403, 404, 451])
def test_a_blocked_country_looks_as_if_it_passed_and_is_given_up_after_a_few(status: int) -> None:
    translator = Translator("binance", CCXT, binance.CODES)
    seen, error = Seen(status, {}, HTML), CCXT.ExchangeNotAvailable("x")
    found = [translator.translated(error, seen, NOW) for _ in range(3)]
    assert [type(one) for one in found] == [Retry, Retry, Fatal]
    translator.answered()
    assert isinstance(translator.translated(error, seen, NOW), Retry), "an answer that is well starts the count anew"


def test_retry_after_is_read_in_seconds_as_a_date_and_as_bybits_time_of_reset() -> None:
    date = format_datetime(datetime.fromtimestamp(NOW / 1000 + 30, UTC), usegmt=True)
    assert retry_after({"retry-after": "7"}, NOW) == 7
    assert retry_after({"retry-after": date}, NOW) == 30
    assert retry_after({"retry-after": "soon"}, NOW) is None
    assert retry_after({"x-bapi-limit-reset-timestamp": str(NOW + 1500)}, NOW) == 1.5
    assert retry_after({}, NOW) is None


FAR = format_datetime(datetime(9999, 1, 1, tzinfo=UTC), usegmt=True)


@pytest.mark.parametrize("said", ["1e15", "inf", "1795928400", FAR, "Sun, 29 Nov 99999999999999999999 05:00:00 GMT"])
def test_a_pause_that_no_venue_can_mean_is_none(said: str) -> None:
    assert retry_after({"retry-after": said}, NOW) is None
    assert retry_after({"x-bapi-limit-reset-timestamp": "9" * 40}, NOW) is None


def test_a_date_is_utc_on_every_machine() -> None:
    said = ("Sun, 29 Nov 2026 05:00:00 GMT", "Sun, 29 Nov 2026 05:00:00 -0000", "Sun, 29 Nov 2026 06:00:00 +0100")
    code = f"from perptape.exchanges._ccxt_errors import http_date; print(*map(http_date, {said}))"
    found = subprocess.run([sys.executable, "-c", code], env={**os.environ, "TZ": "America/New_York"}, capture_output=True, check=True)
    assert found.stdout.split() == [b"1795928400000"] * 3


def test_a_cancelled_call_stays_cancelled() -> None:
    """CancelledError is no Exception: nothing here may turn it into a Retry."""
    assert not issubclass(asyncio.CancelledError, Exception)
