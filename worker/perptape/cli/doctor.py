"""`perptape doctor`: whether this machine, the store and the venues are fit to collect, and what to do where they are not."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Literal

import typer

from perptape import logs, output
from perptape.cli import options, places
from perptape.cli.shell import OK, PARTLY, USAGE
from perptape.errors import OriginConflict, PerptapeError
from perptape.output import Listing
from perptape.settings import Settings
from perptape.times import iso

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from perptape.exchanges.base import Access, Exchange
    from perptape.store.tape import Tape

Grade = Literal["ok", "warning", "failed"]
PACKAGES = ("ccxt", "pyarrow", "s3fs", "pydantic", "typer", "rich", "structlog")
OPTIONAL = {"duckdb": "`perptape sql` needs it: pip install 'perptape[sql]'"}
LARGEST_OFFSET = 1_000
"""ms: a clock further off is reported."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    what: str
    grade: Grade
    found: str


def doctor(
    ctx: typer.Context,
    exchange: options.Exchanges = None,
    endpoint: options.Endpoints = None,
    catalog: options.Catalog = None,
    timeout: options.Timeout = 5.0,
    offline: bool = typer.Option(False, "--offline", help="Ask no venue."),
    form: options.Form = options.Format.table,
    to: options.Output = None,
) -> int:
    """Look at this machine, the store and the venues."""
    from perptape.cli.tapes import tape

    output.check_form(form.value, to)
    settings: Settings = ctx.obj
    checks = [python(sys.version_info[:3]), *packages()]
    opened = tape(places.place(catalog, None, settings))
    checks += store(opened)
    if not offline:
        asked = places.venues(exchange)
        import asyncio

        answered, origins = asyncio.run(venues(asked, places.access(asked, endpoint, settings, timeout=timeout), timeout))
        checks += [*answered, *origin(_holds(opened), origins)]
    output.emit(listing(checks, settings.secrets), form.value, to)
    return verdict(checks)


def listing(checks: Sequence[Check], secrets: Sequence[str]) -> Listing:
    """The checks as rows, without secrets. Pure."""
    return Listing(("check", "grade", "found"), [(one.what, one.grade, logs.redacted(one.found, secrets)) for one in checks])


def verdict(checks: Sequence[Check]) -> int:
    """0 when nothing failed, 3 when the store cannot be used, 2 for what `run` refuses with 2, 1 otherwise. Pure."""
    failed = [one for one in checks if one.grade == "failed"]
    if any(one.what == "store" for one in failed):
        return 3
    if any(one.what in ("python", "origin", *PACKAGES) for one in failed):
        return USAGE
    return PARTLY if failed else OK


def python(found: tuple[int, ...]) -> Check:
    """Whether Python is new enough. Pure."""
    text = ".".join(map(str, found))
    return Check("python", "ok", text) if found >= (3, 11) else Check("python", "failed", f"{text}: perptape needs 3.11 or newer")


def packages() -> list[Check]:
    """The packages that are installed and those that are not."""
    checks = []
    for name in (*PACKAGES, *OPTIONAL):
        try:
            checks.append(Check(name, "ok", version(name)))
        except PackageNotFoundError:
            missing = OPTIONAL.get(name)
            checks.append(Check(name, "warning" if missing else "failed", f"not installed: {missing or 'pip install perptape[worker]'}"))
    return checks


def store(tape: Tape) -> list[Check]:
    """Whether the store can be written and read, whether it compares before it replaces, and what it was made for."""
    try:
        checks = [Check("store", "ok" if tape.fs.swaps else "warning", tape.usable())]
        made = tape.made()
    except PerptapeError as error:
        return [Check("store", "failed", str(error))]
    return [*checks, Check("tape", "ok", f"origin {made.origin}, format {made.layout}" if made is not None else "nothing was written yet")]


def origin(tape: str | None, venues: Mapping[str, str]) -> list[Check]:
    """Whether what the venues say may stand in the tape (None: it holds nothing): a run is refused where not. Pure."""
    from perptape.store.made import one_origin

    try:
        found = one_origin(venues)
    except OriginConflict as error:
        return [Check("origin", "failed", str(error))]
    if found is None:
        return []
    if tape not in (None, found):
        said = f"the tape holds data of origin {tape}, the venues are {found}: name another with --catalog, or other endpoints"
        return [Check("origin", "failed", said)]
    return [Check("origin", "ok", f"the venues are {found}{', as the tape is' if tape is not None else ''}")]


def _holds(tape: Tape) -> str | None:
    """The tape's origin; None also where the store cannot say it, which is reported by itself."""
    try:
        return tape.origin
    except PerptapeError:
        return None


async def venues(asked: Sequence[str], access: Mapping[str, Access], timeout: float) -> tuple[list[Check], dict[str, str]]:
    """Whether each venue answers, how far its clock is from ours, and the origins of those that do."""
    from perptape.cli.shell import now
    from perptape.cli.venue_calls import connect
    from perptape.collect.current import each
    from perptape.exchanges.base import origin_of

    origins: dict[str, str] = {}

    async def clock(exchange: Exchange) -> tuple[int, str]:
        await exchange.now()
        listed = await exchange.instruments()
        origins[exchange.traits.venue] = origin = origin_of(exchange)
        return exchange.offset, f"{len(listed)} instruments, {origin}"

    async with each(asked, access, timeout, clock, connect=connect) as answers:
        checks = [reached(venue, access[venue].endpoint, answer, now()) for venue, answer in answers.items()]
        return checks, {venue: origins[venue] for venue, answer in answers.items() if not isinstance(answer, PerptapeError)}


def reached(venue: str, endpoint: str | None, answer: tuple[int, str] | PerptapeError, at: int) -> Check:
    """What a venue's answer says. Pure."""
    where = f" at {endpoint}" if endpoint else ""
    if isinstance(answer, PerptapeError):
        return Check(venue, "failed", f"{answer}{where}")
    offset, found = answer
    if abs(offset) > LARGEST_OFFSET:
        apart = f"{abs(offset) / 1000:.1f} s {'ahead of' if offset > 0 else 'behind'} ours ({iso(at)})"
        return Check(venue, "warning", f"{found}{where}; its clock is {apart}: set this machine's clock (NTP)")
    return Check(venue, "ok", f"{found}{where}; clock offset {offset} ms")
