"""What the environment says, read once at the top and handed down as a value. The only reader of environment variables. Pure.

Of two names the first counts; the `CCXT_*` ones are for those who come from there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, Literal, cast

from perptape.errors import UsageError
from perptape_api import names
from perptape_api.names import EXCHANGES

LogFormat = Literal["console", "json"]
LEVELS: Final = ("debug", "info", "warning", "error")
CREDENTIALS: Final = {"_API_KEY": "apiKey", "_API_SECRET": "apiSecret", "_API_PASSPHRASE": "passphrase"}
"""Suffix of the variable -> key of the Secret."""
SECRET_VARIABLES: Final = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
SERVICE_LINK: Final = re.compile("(tcp|udp|sctp)://")
AMOUNT: Final = re.compile("([0-9]+)(Ki|Mi|Gi)?")
POWERS: Final = {None: 1, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}
DEFAULT_CATALOG: Final = "./tape"
LIVE_CATALOG: Final = "./tape-live"


@dataclass(frozen=True, slots=True)
class Settings:
    """The environment's part of the configuration."""

    catalog: str | None = None
    """None: nothing is said."""
    log_level: str | None = None
    """None: info for what runs long, warnings for the rest."""
    log_format: LogFormat | None = None
    """None: console."""
    termination_log: str | None = None
    """Where the summary of a run is also written (Kubernetes shows it)."""
    state: str | None = None
    """Where streams keep their log when the store is S3; None where the environment names no home either."""
    log_reserve: int | None = None
    """Bytes that the log of one stream takes from the disk beforehand; None: as the spec says."""
    s3_endpoint: str | None = None
    """Where S3 is when nothing nearer says so (AWS' own name for it)."""
    endpoints: Mapping[str, str] = field(default_factory=dict)
    credentials: Mapping[str, Mapping[str, str]] = field(default_factory=dict, repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)
    """Every secret value: none may be logged or printed."""
    started: float | None = field(default=None, compare=False)
    """The monotonic second at which the process began, where a command's time counts from there."""
    writer: str | None = None
    """This process' name among writers, where the environment gives one (a pod's)."""
    session: str = ""
    """Whose wants are asserted, where the operator says it; a process of its own is a session of its own."""
    wanted_since: int | None = None
    """Since when that session wants, ms on the local clock."""
    work_hash: str = ""
    time_budget_s: float | None = None
    """Seconds that a run under a schedule may take, its start included."""
    namespace: str = ""
    """Of the pod, in a cluster."""
    port: int | None = None
    """Where a process that stays tells how it stands."""
    start_delay_s: float = 0.0
    """Seconds to sleep before anything is asked."""
    keys: str | None = None
    """The folder of mounted Secrets, one folder each."""
    budget_url: str | None = None
    """Where the operator is, which divides venues' limits among pods."""
    budget_fallback: float | None = None
    """The part of a venue's limit that may be used when it never answered."""


def settings(environ: Mapping[str, str]) -> Settings:
    """Raises UsageError for a value that means nothing."""
    level = _first(environ, "PERPTAPE_LOG_LEVEL", "CCXT_LOG_LEVEL")
    if level is not None:
        level = {"warn": "warning", "critical": "error"}.get(level.lower(), level.lower())
        if level not in LEVELS:
            raise UsageError(f"PERPTAPE_LOG_LEVEL={level} is not one of {', '.join(LEVELS)}")
    form = environ.get("PERPTAPE_LOG_FORMAT") or None
    if form not in (None, "console", "json"):
        raise UsageError(f"PERPTAPE_LOG_FORMAT={form} is not one of console, json")
    credentials = {venue: found for venue in EXCHANGES if (found := _credentials(environ, venue))}
    return Settings(
        catalog=_first(environ, "PERPTAPE_CATALOG", "CCXT_CATALOG_PATH"),
        log_level=level,
        log_format=cast("LogFormat | None", form),
        termination_log=environ.get("PERPTAPE_TERMINATION_LOG") or None,
        state=_state(environ),
        log_reserve=_bytes(environ, names.ENV_LOG_RESERVE),
        s3_endpoint=_first(environ, "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"),
        endpoints={venue: url for venue in EXCHANGES if (url := environ.get(variable(venue)))},
        credentials=credentials,
        secrets=_secrets(environ, credentials.values()),
        writer=environ.get(names.ENV_WRITER) or None,
        session=environ.get(names.ENV_SESSION, ""),
        wanted_since=_moment(environ, names.ENV_WANTED_SINCE),
        work_hash=environ.get(names.ENV_WORK_HASH, ""),
        time_budget_s=_seconds(environ, names.ENV_TIME_BUDGET),
        namespace=environ.get(names.ENV_NAMESPACE, ""),
        port=_port(environ, names.ENV_PORT),
        start_delay_s=_seconds(environ, names.ENV_START_DELAY) or 0.0,
        keys=environ.get(names.ENV_CREDENTIALS) or None,
        budget_url=environ.get(names.ENV_BUDGET_URL) or None,
        budget_fallback=_part(environ, names.ENV_BUDGET_FALLBACK),
    )


def variable(venue: str) -> str:
    """The environment's name for a venue's endpoint."""
    return f"PERPTAPE_{venue.upper()}_ENDPOINT"


def _state(environ: Mapping[str, str]) -> str | None:
    """The folder that is named, else our own in the state directory of the XDG (which counts only when it is absolute)."""
    if named := environ.get(names.ENV_STATE):
        return named
    xdg, home = environ.get("XDG_STATE_HOME", ""), environ.get("HOME")
    if xdg.startswith("/"):
        return f"{xdg.rstrip('/')}/perptape"
    return f"{home.rstrip('/')}/.local/state/perptape" if home else None


def _moment(environ: Mapping[str, str], name: str) -> int | None:
    text = environ.get(name)
    if not text:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{name}={text} is not a time: write it as 2026-03-01T12:00:00Z") from None
    return round((time if time.tzinfo is not None else time.replace(tzinfo=UTC)).timestamp() * 1000)


def _seconds(environ: Mapping[str, str], name: str) -> float | None:
    text = environ.get(name)
    if not text:
        return None
    try:
        return float(text)
    except ValueError:
        raise UsageError(f"{name}={text} is not a number of seconds") from None


def _bytes(environ: Mapping[str, str], name: str) -> int | None:
    """As Kubernetes writes amounts: 67108864, 64Mi, 1Gi; a MiB at least, and 16 GiB at most."""
    text = environ.get(name)
    if not text:
        return None
    found = AMOUNT.fullmatch(text)
    size = int(found[1]) * POWERS[found[2]] if found else 0
    if not 2**20 <= size <= names.MOST_LOG_RESERVE:
        raise UsageError(f"{name}={text} is no amount of bytes from 1Mi to 16Gi: write it as 64Mi")
    return size


def _port(environ: Mapping[str, str], name: str) -> int | None:
    """Kubernetes tells every pod of a namespace with a Service `perptape` of it, by that name: PERPTAPE_PORT=tcp://10.96.0.1:8080."""
    text = environ.get(name)
    if not text or SERVICE_LINK.match(text):
        return None
    if not (text.isdigit() and int(text) < 65536):
        raise UsageError(f"{name}={text} is not a port's number")
    return int(text)


def _part(environ: Mapping[str, str], name: str) -> float | None:
    found = _seconds(environ, name)
    if found is not None and not 0 < found <= 1:
        raise UsageError(f"{name}={environ[name]} is no part of a limit: above 0, at most 1")
    return found


def _first(environ: Mapping[str, str], *names: str) -> str | None:
    return next((environ[name] for name in names if environ.get(name)), None)


def _credentials(environ: Mapping[str, str], venue: str) -> dict[str, str]:
    return {key: value for suffix, key in CREDENTIALS.items() if (value := environ.get(venue.upper() + suffix))}


def _secrets(environ: Mapping[str, str], credentials: Iterable[Mapping[str, str]]) -> tuple[str, ...]:
    values = [value for found in credentials for value in found.values()]
    values += [environ[name] for name in SECRET_VARIABLES if environ.get(name)]
    return tuple(sorted(set(values), key=lambda value: (-len(value), value)))
