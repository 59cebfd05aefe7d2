"""One client's WebSocket: frames written as bytes, so that a slow client never holds up the others.

aiohttp makes the handshake and reads; what is sent is framed here once, shared by all connections, and handed to the transport
without waiting. A client that leaves more than `UNSENT` bytes unread is dropped, as venues do.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import orjson

from perptape.simulation.truth import Session, Subscription
from perptape.simulation.wire import Topic

UNSENT = 1 << 20
TEXT, CLOSE, PING, PONG = 0x1, 0x8, 0x9, 0xA


def frame(payload: bytes, opcode: int = TEXT) -> bytes:
    """A whole, unmasked, uncompressed WebSocket frame."""
    size = len(payload)
    if size < 126:
        head = bytes((0x80 | opcode, size))
    elif size < 1 << 16:
        head = bytes((0x80 | opcode, 126)) + size.to_bytes(2, "big")
    else:
        head = bytes((0x80 | opcode, 127)) + size.to_bytes(8, "big")
    return head + payload


def text(content: Any) -> bytes:
    """A text frame of what a wire wants to send: JSON, or a string as it is."""
    if isinstance(content, bytes):
        return frame(content)
    return frame(content.encode() if isinstance(content, str) else orjson.dumps(content, default=str))


@dataclass(slots=True)
class Following:
    """A topic that a connection is subscribed to."""

    topic: Topic
    record: Subscription
    spoke: int | None = None
    """When a control topic last spoke."""


@dataclass(slots=True, eq=False)
class Connection:
    """A client's connection and what it is subscribed to."""

    session: Session
    transport: asyncio.Transport
    following: dict[str, Following] = field(default_factory=dict)
    half_open: bool = False

    def send(self, data: bytes) -> bool:
        """Hands bytes to the transport, or drops the client when too much is unsent; whether they went out."""
        if self.half_open or self.transport.is_closing():
            return False
        if self.transport.get_write_buffer_size() > UNSENT:
            self.drop("1 MiB unsent")
            return False
        self.transport.write(data)
        return True

    def drop(self, reason: str) -> None:
        """Ends the connection without a word."""
        self.session.reason = self.session.reason or reason
        self.transport.abort()

    def close(self, reason: str, code: int = 1001) -> None:
        """Ends the connection as a server does."""
        self.send(frame(code.to_bytes(2, "big"), CLOSE))
        self.session.reason = self.session.reason or reason
        self.transport.close()

    def follow(self, topic: Topic, now: int, mono: float, silent: bool) -> None:
        """Begins a subscription; a second one of the same name replaces the first."""
        self.leave(topic, now)
        record = Subscription(topic.name, now, mono, silent)
        self.session.subscriptions.append(record)
        self.following[topic.name] = Following(topic, record)

    def leave(self, topic: Topic, now: int) -> None:
        """Ends a subscription."""
        left = self.following.pop(topic.name, None)
        if left is not None:
            left.record.ended = now
