"""What a process leaves behind for Kubernetes: one JSON report in its termination message, whatever became of it."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from perptape import logs, output
from perptape.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perptape.store.publish_report import PublishReport

LINE: Final = 200
LONGEST: Final = 1_000
"""Characters of a message."""


def leave(settings: Settings, text: str) -> None:
    """Writes the report where the environment says; nothing where it says nothing."""
    path = settings.termination_log
    if path is None:
        return
    try:
        Path(path).write_text(logs.redacted(text, settings.secrets), encoding="utf-8")
    except OSError as error:
        output.error(f"PERPTAPE_TERMINATION_LOG={path} cannot be written: {error.strerror}")


def failure(settings: Settings, code: int, error: BaseException, now: int) -> str:
    """The report of a command that ended with an error. `now`: ms. Pure but for the monotonic clock by which the start is known."""
    said = "; ".join(str(error).splitlines())[:LONGEST] or type(error).__name__
    found = _head(settings, code, now)
    if (reason := getattr(error, "reason", None)) is not None:
        found |= {"store_error": said, "store_reason": reason}
    return _text({**found, "notes": [said]})


def published(settings: Settings, code: int, reports: Sequence[PublishReport], now: int) -> str:
    """The report of a publisher; where another was at work it says nothing of what is left."""
    found = _head(settings, code, now)
    if reports and not any(one.lease for one in reports):
        return _text({**found, "notes": ["another publisher was at work on this tape"]})
    errors = [f"{one.venue} {one.dataset}: {said}" for one in reports for said in (*([one.error] if one.error else []), *one.damaged)]
    oldest = min((one.oldest_unfolded for one in reports if one.oldest_unfolded is not None), default=None)
    folded: dict[str, Any] = {"segments": sum(one.unfolded for one in reports), "lease": settings.writer or ""}
    if oldest is not None:
        folded["oldest"] = oldest
    if errors:
        folded["error"] = errors[0][:LONGEST] + (f" (and {len(errors) - 1} more)" if len(errors) > 1 else "")
    return _text({**found, "publisher": folded})


def verified(settings: Settings, code: int, findings: int, now: int, audits: Sequence[str] = ()) -> str:
    """The report of a check of the whole store. `audits`: what venues said of a sample of it, a line each, what is wrong first."""
    notes = [line[:LINE] for line in audits]
    if findings:
        notes.insert(0, f"{things(findings, 'in the store ')}: see kubectl logs")
    elif not code:
        notes.insert(0, "the store is as it should be")
    return _text({**_head(settings, code, now), "notes": notes})


def things(count: int, where: str = "") -> str:
    """How many findings of a check there are. Pure."""
    return f"1 thing {where}is not as it should be" if count == 1 else f"{count} things {where}are not as they should be"


def _head(settings: Settings, code: int, now: int) -> dict[str, Any]:
    spent = 0.0 if settings.started is None else time.monotonic() - settings.started
    found: dict[str, Any] = {"run": settings.writer or "", "exit": code, "started": now - int(spent * 1000), "finished": now}
    return {**found, "work_hash": settings.work_hash} if settings.work_hash else found


def _text(report: dict[str, Any]) -> str:
    return json.dumps(report, separators=(",", ":"))
