"""CCXT's client, set up as we use it: transport, signing and URLs; no retries, no limiter, no cache of its own.

Every answer is seen whole (status, headers, when it was asked for and came) before CCXT judges it, apart for each call, because
CCXT keeps the last headers of all calls in one attribute.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from perptape.exchanges._ccxt_errors import Seen
from perptape.exchanges._ccxt_lite import exchange_class
from perptape.exchanges.clock_watch import SET_S

if TYPE_CHECKING:
    from perptape.exchanges.base import Access

USER_AGENT = "perptape (ccxt)"
PAUSING = (418, 429)
_AUTHORITY = re.compile(r"^(http|ws)s?://[^/]+")
_CREDENTIALS = {"apiKey": "apiKey", "apiSecret": "secret", "passphrase": "password"}


@dataclass(slots=True)
class Watch:
    """What became of one call; times are ns of the local clock, both as it stands at the receipt: somebody may set it on the way."""

    sent: int = 0
    received: int = 0
    seen: Seen = field(default_factory=Seen)
    moved: bool = False
    """Whether somebody did, by more than a clock is slewed and the two looks at both clocks took."""
    _asked: float = 0.0
    _took: float = 0.0

    def asks(self, clock: Callable[[], int]) -> None:
        self.sent, self._asked, self._took = _looked(clock)

    def answered(self, clock: Callable[[], int]) -> None:
        self.received, at, took = _looked(clock)
        since = self.received - round((at - self._asked) * 1e9)
        self.moved |= abs(since - self.sent) > (SET_S + took + self._took) * 1e9
        self.sent = since


WATCH: ContextVar[Watch] = ContextVar("watch")
"""The call that the current task makes."""


def _looked(clock: Callable[[], int]) -> tuple[int, float, float]:
    """(the wall clock in ns, the loop's in seconds, how many seconds the two looks took: a machine may hold a process up between them)."""
    loop = asyncio.get_running_loop()
    before = loop.time()
    now = clock()
    after = loop.time()
    return now, (before + after) / 2, after - before


def made(package: str, name: str, access: Access, clock: Callable[[], int]) -> Any:
    """An instance of CCXT's class: `package` is ``async_support`` or ``pro``."""
    base = exchange_class(package, name)
    secure = access.endpoint is None or not access.endpoint.startswith("http://")
    config: dict[str, Any] = {
        "enableRateLimit": False,  # perptape.exchanges.pacing does it, for limits that several endpoints share too
        "timeout": int(access.timeout * 1000),
        "options": {"maxRetriesOnFailure": 0},  # CCXT would repeat a 418 at once
        "userAgent": USER_AGENT,
        "verify": secure,  # no TLS context is made for a plain endpoint (50 ms)
    }
    config |= {ours: access.credentials[name] for name, ours in _CREDENTIALS.items() if name in access.credentials}
    client = type(f"Perptape{base.__name__}", (_Seeing, base), {})(config)
    client.clock = clock
    client.enableLastHttpResponse = client.enableLastJsonResponse = client.enableLastResponseHeaders = False
    if not secure:
        client.timeout_on_exit = 0  # the wait after closing is for TLS
    if access.endpoint is not None:
        client.urls["api"] = redirected(client.urls["api"], access.endpoint.rstrip("/"))
    return client


def redirected(urls: Any, endpoint: str) -> Any:
    """The same URLs with another scheme and authority; those of WebSockets with ws for http."""
    if isinstance(urls, Mapping):
        return {key: redirected(value, endpoint) for key, value in urls.items()}
    if not isinstance(urls, str):
        return urls
    socket = re.sub("^http", "ws", endpoint)
    return _AUTHORITY.sub(lambda match: socket if match[1] == "ws" else endpoint, urls)


def _heads(clock: Callable[[], int]) -> Any:
    """aiohttp's: what is called with the head of each answer, in the task of its call."""
    from aiohttp import TraceConfig

    async def headed(session: Any, context: Any, answer: Any) -> None:
        head = answer.response
        if head.status in PAUSING and (watch := WATCH.get(None)) is not None:
            watch.answered(clock)
            watch.seen = Seen(head.status, {name.lower(): value for name, value in head.headers.items()})

    found = TraceConfig()
    found.on_request_end.append(headed)
    found.freeze()
    return found


class _Seeing:
    """A CCXT exchange that notes each answer in the call's own `Watch`."""

    clock: Callable[[], int]

    def open(self, lazy: bool = False) -> None:
        """A session that tells of an answer that demands a pause when its head is there: its body may never come whole."""
        super().open(lazy)  # type: ignore[misc]
        session = self.session  # type: ignore[attr-defined]
        if session is not None and not session.trace_configs:
            session.trace_configs.append(_heads(self.clock))

    async def fetch(self, url: str, method: str = "GET", headers: Any = None, body: Any = None) -> Any:
        if (watch := WATCH.get(None)) is not None:
            watch.asks(self.clock)
        return await super().fetch(url, method, headers, body)  # type: ignore[misc]

    def on_rest_response(self, code: int, reason: str, url: str, method: str, headers: Any, body: str, *rest: Any) -> Any:
        if (watch := WATCH.get(None)) is not None:
            watch.answered(self.clock)
            watch.seen = Seen(code, {name.lower(): value for name, value in headers.items()}, body[:2000])
        return super().on_rest_response(code, reason, url, method, headers, body, *rest)  # type: ignore[misc]

    def on_json_response(self, body: str) -> Any:
        """Numbers with a point stay the text that was sent (CCXT's quoteJsonNumbers does nothing in Python)."""
        return json.loads(body, parse_float=str, parse_constant=str)
