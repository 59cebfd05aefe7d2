"""When a socket is left unread for a moment, so that one wake-up takes in what many would have.

Pure: the time is an argument. A wake-up of an idle process costs as much as twenty or thirty events do: its caches are cold.
"""

from __future__ import annotations

PAUSE = 0.1
"""Seconds: at most so much later than it came is a message seen, and so much too late its receipt (`ts_received`), in dense traffic.

With the log's rhythm (0.4 s) it stays well within the second in which all is durable."""
DENSE = 200
"""Messages a second from which pauses are worth it (twenty messages in each)."""
LONE = 8
"""So many messages at once are not dense traffic yet: each is seen as it comes."""
FULL = 64 * 1024
"""Characters: who reads so much at once need not wait for more, and must not, for a venue drops who does not keep up."""


class Pauses:
    """A bucket that leaks `DENSE` messages a second: a pause follows a wake-up that finds or makes it full."""

    def __init__(self) -> None:
        self._level = 0.0
        self._then = 0.0

    def due(self, now: float, messages: int, size: int) -> bool:
        """Whether to pause after a wake-up at `now` (seconds) that brought so many messages of that size together."""
        left = max(0.0, self._level - (now - self._then) * DENSE)
        self._level, self._then = min(LONE, left + messages), now
        return self._level >= LONE and size < FULL
