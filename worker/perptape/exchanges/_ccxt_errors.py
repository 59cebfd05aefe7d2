"""Foreign errors become Retry, Skip or Fatal: here and nowhere else.

CCXT's tree separates OperationFailed (ask again) from ExchangeError (do not), but files some answers under the wrong one; the status,
the headers and the venue's own code of the answer decide first.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any

from perptape.errors import Fatal, PerptapeError, Retry, Skip
from perptape.exchanges.calls import Reaction, Unlisted, error_code
from perptape.exchanges.culprit import Malformed
from perptape.exchanges.text import short

BAN = 120.0
"""Seconds of a 418 that does not say how long [Binance: from 2 minutes to 3 days]."""
TOO_FREQUENT = 600.0
""""403, access too frequent": wait at least 10 minutes [Bybit]."""
MAINTENANCE = 60.0
LONGEST_PAUSE = 3 * 86_400.0
"""Seconds. The longest ban that a venue tells of is three days [Binance]; a header that says more (the time of day, say) says nothing."""
REFUSALS = 3
"""How many answers in a row that no wait will change (403, 404, 451: a country, a wrong address) before the venue is given up."""


_TLS = re.compile(r" ssl:(?:<[^>]*>|\S+)")
"""How aiohttp names the TLS settings of a connection, which it does for plain http too."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One HTTP answer, headers in lower case. `status` 0: there was none."""

    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""


class Translator:
    """Turns what a call raised into what to do. It remembers only how many answers in a row refused us."""

    def __init__(self, venue: str, errors: Any, codes: Mapping[str, Reaction]) -> None:
        self._venue, self._ccxt, self._codes = venue, errors, codes
        self._refused = 0

    def answered(self) -> None:
        """An answer that is well."""
        self._refused = 0

    def translated(self, error: BaseException, seen: Seen, now: int) -> PerptapeError:
        """`now`: the venue's clock in ms."""
        if isinstance(error, PerptapeError):
            return error
        message = f"{self._venue}: {_reason(error, seen)}"
        if isinstance(error, Unlisted):
            return Skip(f"{self._venue} {error}")
        if isinstance(error, asyncio.TimeoutError | Malformed | LookupError | TypeError | ValueError | OSError):
            return Retry(message)
        return self._by_status(message, seen, now) or self._by_code(message, seen, now) or self._by_class(error, message, seen, now)

    def _by_status(self, message: str, seen: Seen, now: int) -> PerptapeError | None:
        after = retry_after(seen.headers, now)
        if seen.status == 418:
            return Retry(message, BAN if after is None else after, banned=True)
        if seen.status == 403 and "too frequent" in seen.body.lower():
            return Retry(message, TOO_FREQUENT if after is None else after, banned=True)
        if seen.status == 429:
            return Retry(message, after)
        if seen.status in (403, 404, 451) or (seen.status == 400 and not seen.body.lstrip().startswith(("{", "["))):
            self._refused += 1
            if self._refused >= REFUSALS:
                return Fatal(f"{message}: refused {self._refused} times in a row (a blocked country, or a wrong endpoint)")
            return Retry(message, after)
        return None

    def _by_code(self, message: str, seen: Seen, now: int) -> PerptapeError | None:
        reaction = self._codes.get(error_code(seen.body) or "")
        if reaction is None:
            return None
        if reaction in ("skip", "shrink"):
            return Skip(message, shrink=reaction == "shrink")
        if reaction == "fatal":
            return Fatal(message)
        after = retry_after(seen.headers, now)
        return Retry(message, MAINTENANCE if reaction == "maintenance" and after is None else after)

    def _by_class(self, error: BaseException, message: str, seen: Seen, now: int) -> PerptapeError:
        ccxt = self._ccxt
        if isinstance(error, ccxt.AuthenticationError | ccxt.NotSupported | ccxt.InvalidProxySettings):
            return Fatal(message)
        if isinstance(error, ccxt.OnMaintenance):
            return Retry(message, MAINTENANCE)
        if isinstance(error, ccxt.OperationFailed):
            return Retry(message, retry_after(seen.headers, now))
        if type(error) is ccxt.ExchangeError and not 400 <= seen.status < 500:
            return Retry(message)  # a body cut short, a server's own trouble: CCXT files them under the bare class
        if isinstance(error, ccxt.BaseError):
            return Skip(message)
        return Retry(f"{message} ({type(error).__name__})")


def retry_after(headers: Mapping[str, str], now: int) -> float | None:
    """Seconds to wait, as the answer's headers say (seconds, a date, or Bybit's time of reset in ms); None where no pause can be meant."""
    said = headers.get("retry-after", "").strip()
    after = _pause(said, now) if said else _until_reset(headers.get("x-bapi-limit-reset-timestamp", "").strip(), now)
    return None if after is None or not after <= LONGEST_PAUSE else max(0.0, after)


def _pause(said: str, now: int) -> float | None:
    try:
        return float(said)
    except ValueError:
        date = http_date(said)
        return None if date is None else (date - now) / 1000


def _until_reset(said: str, now: int) -> float | None:
    return (int(said) - now) / 1000 if said.isdecimal() and len(said) < 20 else None


def http_date(text: str | None) -> int | None:
    """The time (ms) of a Date header, at most 999 ms before the answer; UTC whatever zone it names or leaves out. None for no date."""
    if not text:
        return None
    try:
        found = parsedate_to_datetime(text)
        return int((found if found.tzinfo is not None else found.replace(tzinfo=UTC)).timestamp() * 1000)
    except (ValueError, OverflowError):
        return None


def _reason(error: BaseException, seen: Seen) -> str:
    """One line: the status and the body where there is an answer, else the cause nearest to the network."""
    if seen.status and not isinstance(error, Malformed):
        return f"HTTP {seen.status}: {short(seen.body, 160) or 'an empty answer'}"
    cause = error.__cause__ or error
    text = _TLS.sub("", str(cause) or str(error)) or type(cause).__name__
    return short(f"{type(cause).__name__}: {text}" if cause is not error else text, 200)
