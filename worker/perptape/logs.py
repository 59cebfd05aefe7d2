"""The log: one line an event, on stderr, as text or JSON, without any secret.

Both the standard library's loggers (with `extra={"fields": {...}}`) and structlog's, once `structured` was called, end in these lines.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final, TextIO

from perptape.settings import LogFormat

HIDDEN: Final = "***"
SHORTEST_SECRET: Final = 4
USERINFO: Final = re.compile(r"(?<=://)[^/\s:@]+:[^/\s@]+(?=@)")
"""user:password in a URL."""
QUIET: Final = ("ccxt", "botocore", "aiobotocore", "s3fs", "fsspec", "aiohttp", "urllib3", "asyncio")
"""Foreign loggers, whose lines at info and debug hold requests with signatures: only their warnings are kept."""


def redacted(text: str, secrets: Sequence[str]) -> str:
    """The text without any of the secrets (longest first) and without passwords in URLs."""
    for secret in secrets:
        if len(secret) >= SHORTEST_SECRET:
            text = text.replace(secret, HIDDEN)
    return USERINFO.sub(HIDDEN, text)


class Lines(logging.Formatter):
    """A record as one line of JSON or of text (a traceback follows the text, and is a field of the JSON)."""

    def __init__(self, form: LogFormat, secrets: Sequence[str]) -> None:
        super().__init__()
        self.form = form
        self.secrets = tuple(secrets)

    def format(self, record: logging.LogRecord) -> str:
        fields = _fields(record)
        trace = self.formatException(record.exc_info) if record.exc_info else ""
        line = _json(record, fields, trace) if self.form == "json" else _text(record, fields, trace)
        return redacted(line, self.secrets)


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    found = getattr(record, "fields", None)
    return dict(found) if isinstance(found, Mapping) else {}


def _json(record: logging.LogRecord, fields: Mapping[str, Any], trace: str) -> str:
    time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    line: dict[str, Any] = {"time": time, "level": record.levelname.lower(), "event": record.getMessage(), "logger": record.name, **fields}
    if trace:
        line["exception"] = trace
    return json.dumps(line, default=str, ensure_ascii=False)


def _text(record: logging.LogRecord, fields: Mapping[str, Any], trace: str) -> str:
    time = datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    said = " ".join([record.getMessage().replace("\n", "\\n"), *(f"{name}={value}" for name, value in fields.items())])
    return f"{time} {record.levelname.lower():7} {said}" + (f"\n{trace}" if trace else "")


def machine_read() -> bool:
    """Whether log lines are JSON now: then nothing else belongs on stderr."""
    return any(isinstance(one.formatter, Lines) and one.formatter.form == "json" for one in logging.getLogger().handlers)


class Stderr(logging.StreamHandler[TextIO]):
    """Writes to what stderr is at that moment: above a progress bar while one is shown."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:
        return sys.stderr

    @stream.setter
    def stream(self, _: TextIO) -> None:
        raise AttributeError("it is always stderr")


def configure(level: str, form: LogFormat, stream: TextIO | None = None, secrets: Sequence[str] = ()) -> None:
    """Sends every log line of this process to `stream` (stderr), replacing what was configured before."""
    handler = logging.StreamHandler(stream) if stream is not None else Stderr()
    handler.setFormatter(Lines(form, secrets))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


def structured() -> None:
    """Leads structlog, with which the collector logs, into the same lines. Imports it (0.1 s): only commands that collect call this."""
    with _without_rich():
        import structlog

    def to_record(_: Any, __: str, event: MutableMapping[str, Any]) -> tuple[tuple[str], dict[str, Any]]:
        said = str(event.pop("event", ""))
        trace = event.pop("exc_info", None)
        return (said,), {"extra": {"fields": event}, "exc_info": trace}

    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, to_record],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )


@contextmanager
def _without_rich() -> Iterator[None]:
    """An import inside finds no rich. structlog would take it, and with it pygments, for a console that we do not use (7 MB)."""
    if "rich" in sys.modules:
        yield
        return
    sys.modules["rich"] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules["rich"]
