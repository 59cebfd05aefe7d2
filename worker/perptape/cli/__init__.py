"""The command line. `main` is its entry point; every command is a small module of its own, which imports what it needs when it runs."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping, Sequence

STARTED = time.monotonic()


def main(argv: Sequence[str] | None = None, environ: Mapping[str, str] | None = None) -> None:
    """Runs one command and leaves with its exit code."""
    from perptape.cli.shell import run

    sys.exit(run(sys.argv[1:] if argv is None else list(argv), os.environ if environ is None else environ, STARTED))
