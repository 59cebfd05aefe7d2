"""The command line. `main` is its entry point; every command is a small module of its own, which imports what it needs when it runs."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence

from perptape.cli.stop import Stop

STARTED = time.monotonic()
COLLECT = ("run", "daemon", "stream-liquidations")
"""Commands that end cleanly when they are told to."""


def main(argv: Sequence[str] | None = None, environ: Mapping[str, str] | None = None, started: float = STARTED) -> None:
    """Runs one command and leaves with its exit code. One that collects may be told to stop from its first moment on.

    `started`: the monotonic second at which it was called.
    """
    words = sys.argv[1:] if argv is None else list(argv)
    stop = Stop()
    if words and words[0] in COLLECT:
        signal.signal(signal.SIGTERM, stop)
        os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")  # before Arrow is loaded; its own keeps for months what a burst took
    from perptape.cli.shell import run

    stop.raises = True
    sys.exit(run(words, os.environ if environ is None else environ, started))
