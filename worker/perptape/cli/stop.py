"""What SIGTERM does to a command that collects, until it is under way."""

from __future__ import annotations

import signal


class Stop:
    """A handler. It raises `Stopped` in whatever runs just then, once `raises`; `told` stays, since not all of that passes an exit on as
    it came (pydantic's core and class bodies make errors of their own out of it)."""

    raises = told = False

    def __call__(self, number: int, frame: object) -> None:
        self.told = True
        if self.raises:
            from perptape.errors import Stopped

            raise Stopped


def told() -> bool:
    """Whether this process was told to stop before its command was under way."""
    handler = signal.getsignal(signal.SIGTERM)
    return isinstance(handler, Stop) and handler.told
