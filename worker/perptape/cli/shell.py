"""From arguments to an exit code: settings, logging, the command, and every failure as one line on stderr that says what to do.

0 nothing failed, 1 a part failed and a later run may obtain it, 2 usage or spec, 3 everything failed or the store is unusable.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from perptape import logs, output
from perptape.cli.stop import told
from perptape.errors import PerptapeError, Stopped, UsageError
from perptape.settings import Settings, settings
from perptape_api.errors import SpecError

OK: Final = 0
PARTLY: Final = 1
USAGE: Final = 2
FAILED: Final = 3
INTERRUPTED: Final = 130
PRINTING: Final = 0.8
"""Seconds that the interpreter's own start and showing the answers may take of the time that a user gave, on a slow machine."""


def now() -> int:
    """The local clock, ms."""
    return time.time_ns() // 1_000_000


def left(timeout: float, found: Settings) -> float:
    """Seconds for a call so that the whole command, its start included, stays within `timeout`."""
    spent = 0.0 if found.started is None else time.monotonic() - found.started
    return max(timeout - spent - PRINTING, timeout / 2)


def run(argv: Sequence[str], environ: Mapping[str, str], started: float | None = None) -> int:
    """The exit code of one command. `started`: the monotonic second at which the process began."""
    output.stand_in()
    found, secrets = Settings(), tuple[str, ...]()
    try:
        found = replace(settings(environ), started=time.monotonic() if started is None else started)
        secrets = found.secrets
        if told():
            raise Stopped
        logs.configure(found.log_level or "warning", found.log_format or "console", secrets=secrets)
        code = _command(argv, found)
        with contextlib.suppress(output.Unread):
            output.flush()
        return code
    except output.Unread:
        return OK
    except SpecError as failure:
        _leave(found, USAGE, failure)
        for line in str(failure).splitlines():
            output.error(logs.redacted(line, secrets))
        return USAGE
    except UsageError as failure:
        _leave(found, USAGE, failure)
        output.error(logs.redacted(str(failure), secrets))
        return USAGE
    except PerptapeError as failure:
        _leave(found, FAILED, failure)
        output.error(logs.redacted(str(failure), secrets))
        return FAILED
    except Stopped as stopped:
        return _stopped(argv, found, stopped)
    except KeyboardInterrupt:
        output.error("interrupted")
        return INTERRUPTED
    except Exception as failure:
        if told():
            return _stopped(argv, found, Stopped())
        import traceback

        _leave(found, FAILED, failure)
        output.raw(logs.redacted(traceback.format_exc(), secrets))
        output.error("this is a bug of perptape: please report the lines above with the command and `perptape doctor`")
        return FAILED


def _stopped(argv: Sequence[str], found: Settings, stopped: BaseException) -> int:
    code = PARTLY if "--once" in argv and found.time_budget_s is None else OK
    _leave(found, code, stopped)
    output.note("stopped before anything was asked: the next run goes on")
    return code


def _leave(found: Settings, code: int, error: BaseException) -> None:
    """Tells Kubernetes why there is no better report."""
    if found.termination_log is not None:
        from perptape.cli import left

        left.leave(found, left.failure(found, code, error, now()))


def _command(argv: Sequence[str], found: Settings) -> int:
    from perptape.cli.app import application, prepared

    helped = not {"--help", "-h"}.isdisjoint(argv)  # which the parser writes by itself
    try:
        with output.read_by_somebody() if helped else contextlib.nullcontext():
            code = application(argv)(args=prepared(argv), standalone_mode=False, obj=found, prog_name="perptape")
    except Exception as failure:
        said = _usage(failure)
        if said is None:
            raise
        output.error(said)
        return USAGE
    return code if isinstance(code, int) else OK


def _usage(failure: Exception) -> str | None:
    """What the parser of arguments (typer's own click, or the real one) says about them; None for any other failure."""
    if type(failure).__name__ == "Abort":
        raise KeyboardInterrupt from None
    if not hasattr(failure, "format_message"):
        return None
    context = getattr(failure, "ctx", None)
    command = context.command_path if context is not None else "perptape"
    said = str(failure.format_message()).rstrip(".")
    return f"{said}{' See' if said.endswith('?') else ': see'} `{command} --help`"
