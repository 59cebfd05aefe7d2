"""The HTTP server of a process that stays: its status, its metrics, whether it is ready and alive. Shell; `Board` says what is told.

Four paths without a body are no reason to load a web framework into every streamer: asyncio's own server is enough.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from perptape_api.names import LIVE_PATH, METRICS_PATH, READY_PATH, STATUS_PATH

PATIENCE_S: Final = 5.0
LONGEST_REQUEST: Final = 16_384
STARTING: Final = "still starting"
JSON: Final = "application/json"
TEXT: Final = "text/plain; charset=utf-8"
PROMETHEUS: Final = "text/plain; version=0.0.4; charset=utf-8"
PHRASES: Final = {200: "OK", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed", 503: "Service Unavailable"}


@dataclass(slots=True)
class Board:
    """What is told now. `status` and `metrics` are None before there is anything to tell; `unready` says why, and nothing when ready."""

    status: Callable[[], str] | None = None
    metrics: Callable[[], str] | None = None
    unready: Callable[[], str] = lambda: STARTING


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer."""

    status: int
    text: str
    form: str = TEXT


def answer(board: Board, request: str) -> Answer:
    """The answer to a request's first line."""
    parts = request.split()
    if len(parts) != 3 or not parts[2].startswith("HTTP/1."):
        return Answer(400, "this is no HTTP request\n")
    path = parts[1].partition("?")[0]
    if path not in (STATUS_PATH, METRICS_PATH, READY_PATH, LIVE_PATH):
        return Answer(404, f"there are {STATUS_PATH}, {METRICS_PATH}, {READY_PATH} and {LIVE_PATH}\n")
    if parts[0] not in ("GET", "HEAD"):
        return Answer(405, "only GET is answered\n")
    if path == LIVE_PATH:  # whoever can answer lives: everything of a worker runs in the loop that answers
        return Answer(200, "ok\n")
    if path == READY_PATH:
        why = board.unready()
        return Answer(503, f"{why}\n") if why else Answer(200, "ok\n")
    tell, form = (board.status, JSON) if path == STATUS_PATH else (board.metrics, PROMETHEUS)
    return Answer(503, f"{STARTING}\n") if tell is None else Answer(200, tell(), form)


async def serve(board: Board, port: int, host: str | None = None) -> asyncio.Server:
    """Serves on every address, or on `host`; the caller closes the server. Raises OSError when the port is taken."""

    async def met(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            async with asyncio.timeout(PATIENCE_S):
                asked = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                writer.write(encoded(answer(board, asked.partition("\r\n")[0]), head=asked.startswith("HEAD ")))
                await writer.drain()
        writer.close()

    return await asyncio.start_server(met, host, port, limit=LONGEST_REQUEST)


def encoded(told: Answer, *, head: bool = False) -> bytes:
    """The answer's bytes; the connection ends with it."""
    body = told.text.encode()
    lines = (
        f"HTTP/1.1 {told.status} {PHRASES[told.status]}",
        f"Content-Type: {told.form}",
        f"Content-Length: {len(body)}",
        "Connection: close",
    )
    return "\r\n".join((*lines, "", "")).encode() + (b"" if head else body)
