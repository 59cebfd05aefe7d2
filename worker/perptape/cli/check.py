"""`perptape verify`: checks everything that is kept and, with a spec, asks its venues for a sample of it again."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Annotated, Final

import typer

from perptape import logs, output
from perptape.cli import keep, left, options, places, unadopted
from perptape.cli.shell import OK, PARTLY, now
from perptape.errors import UsageError
from perptape.output import Listing
from perptape.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from perptape.cli.order import Order
    from perptape.collect.outcome import Outcome
    from perptape.collect.summary import Summary
    from perptape.store.log_left import Left
    from perptape.store.replicas import Agreement
    from perptape.store.verify import Finding, Kind

CALLS: Final = 10
STRANGE: Final[frozenset[Kind]] = frozenset(("order", "duplicate", "overlap", "name", "stray"))
"""What only somebody else can have written."""


def verify(
    ctx: typer.Context,
    file: Annotated[
        str | None,
        typer.Argument(metavar="[FILE]", help="A CollectionSpec: a sample of what is kept is asked of its venues again, and compared."),
    ] = None,
    repair: Annotated[
        bool, typer.Option("--repair", help="Keep unreadable files aside, and have what is claimed and gone asked for again.")
    ] = False,
    sample: Annotated[
        int,
        typer.Option(
            "--sample",
            metavar="N",
            min=1,
            help="With FILE: so many calls of each venue and dataset at most, and as many contracts' open interest now.",
        ),
    ] = CALLS,
    exchange: options.Exchanges = None,
    endpoint: options.Endpoints = None,
    deadline: Annotated[str | None, typer.Option("--deadline", metavar="T", help="With FILE: ask no longer than this, as in 90s.")] = None,
    catalog: options.Catalog = None,
    form: options.Form = options.Format.table,
    to: options.Output = None,
) -> int:
    """Check everything that is kept: order, duplicates, overlaps, hashes, claims against rows. Changes nothing without --repair or FILE.

    Where several replicas of a stream heard the same time within the last hour or so, it is said how often they had something else.

    With FILE the venues are asked for a sample of what is final again: where they say otherwise now, that is stored (what was
    kept goes to revisions/ at the next publish), and said. The open interest of as many contracts is sampled, by which in time is
    measured what time of its buckets a venue stamps its history by; where that cannot be done it is said, and is no failure.
    """
    from perptape.cli.tapes import NoTape, reader, tape
    from perptape.store.reading import left_in_logs

    output.check_form(form.value, to)
    settings: Settings = ctx.obj
    if file is None and (exchange or endpoint):
        raise UsageError("--exchange and --endpoint are for asking venues again: name the CollectionSpec, as in `perptape verify FILE`")
    order = None if file is None else _order(file, sample, exchange, endpoint, deadline, catalog, settings)
    where = place(catalog, settings, order)
    try:
        reader(where)
    except NoTape:
        if not settings.namespace:
            raise
        return keep.unused(settings, left.verified(settings, OK, 0, now()))
    opened = tape(where)
    found = opened.verify()
    if found and repair:
        from perptape.store.repair import repair as mended

        for line in mended(opened, found, settings.writer or secrets.token_hex(6)):
            output.note(line)
        found = opened.verify()
    logged = left_in_logs(opened, settings.state)
    found += unread(logged)
    audit = None if order is None else _audited(order, settings)
    lines = [] if audit is None else audit.lines(audit.logged)
    wrong = [] if audit is None else [one for one in audit.outcomes if amiss(one)]
    code = PARTLY if found or wrong or (audit is not None and audit.exit_code != OK) else OK
    agreed = opened.agreements()
    if audit is not None:
        tell(agreed)
    told = in_order([] if audit is None else audit.outcomes, agreed)
    left.leave(settings, left.verified(settings, code, len(found), now(), told))
    if found or form != options.Format.table:
        output.emit(damage(found), form.value, to)
    for line in [*lines, *map(str, agreed), *unadopted.notes(logged)]:
        output.note(logs.redacted(line, settings.secrets))
    for line in [] if audit is None else warnings(audit.outcomes):
        output.error(logs.redacted(line, settings.secrets))
    if found:
        output.error(f"{left.things(len(found))}: {remedy({one.kind for one in found})}")
    else:
        output.note(f"{where.location} is as it should be")
    return code


def unread(logs: Left) -> list[Finding]:
    """A finding for each log that cannot be read, by its whole path: it need not be in the store. Pure."""
    from perptape.store.verify import Finding

    return [Finding(path, "log", why) for path, why in logs.unreadable]


def place(catalog: str | None, settings: Settings, order: Order | None) -> places.Place:
    """Where the tape is: that of the spec, where one is given."""
    if order is None or settings.namespace:
        return keep.place(catalog, settings)
    return places.place(catalog, order.collection.spec.store, settings)


def _order(
    file: str,
    sample: int,
    exchanges: list[str] | None,
    endpoints: list[str] | None,
    deadline: str | None,
    catalog: str | None,
    settings: Settings,
) -> Order:
    """The order to ask the venues of a spec again. Raises SpecError and UsageError."""
    from perptape.cli.order import Order
    from perptape.cli.run import read, source

    return Order(
        read(file, in_pod=bool(settings.namespace)),
        source=source(file),
        exchanges=tuple(exchanges or ()),
        datasets=("open_interest", "funding"),
        once=True,
        deadline=deadline,
        endpoints=tuple(endpoints or ()),
        catalog=catalog,
        audit=sample,
    )


def _audited(order: Order, settings: Settings) -> Summary | None:
    """Asks the venues again; None where the spec is suspended. Raises UsageError and OriginConflict."""
    import asyncio

    from perptape.cli import carry

    logs.configure(settings.log_level or "info", settings.log_format or "console", secrets=settings.secrets)
    return asyncio.run(carry.carried_out(order, settings))


def amiss(one: Outcome) -> bool:
    """Whether something claimed was not there, or could not be asked for. What a venue changed is its own affair, and followed. Pure."""
    return bool(one.failed or one.error or (one.audited is not None and (one.audited.missing or one.audited.in_vain)))


def tell(agreed: Sequence[Agreement]) -> None:
    """Logs how replicas agree."""
    import structlog

    for one in agreed:
        outcome = "differs" if one.differing else "ok"
        structlog.get_logger("perptape").info("replicas compared", venue=one.venue, dataset="liquidations", outcome=outcome, **one.fields())


def in_order(audits: Sequence[Outcome], agreed: Sequence[Agreement]) -> list[str]:
    """What is to be said, a line each: what is wrong first, then what perptape takes otherwise than a venue means it. Pure."""
    wrong, right = ([in_short(one) for one in audits if amiss(one) is kind] for kind in (True, False))
    return [*wrong, *warnings(audits), *map(str, agreed), *right]


def warnings(audits: Sequence[Outcome]) -> list[str]:
    """What perptape takes otherwise than a venue means it, and what to do. Pure."""
    return [
        said for one in audits if one.audited is not None and one.audited.measured is not None and (said := one.audited.measured.warning)
    ]


def in_short(one: Outcome) -> str:
    """What an audit came to, with the first of what went wrong. Pure."""
    return f"{one.venue} {one.dataset}: {'; '.join([str(one.audited or 'not asked'), *one.troubles[:1]])}"


def remedy(kinds: Collection[Kind]) -> str:
    """The commands that mend findings of these kinds. Pure."""
    said = []
    if not {"unreadable", "claim", "rows"}.isdisjoint(kinds):
        said.append("`perptape verify --repair` keeps broken files aside, and the next run asks for what is gone")
    elif not {"unpublished", "coverage"}.isdisjoint(kinds):
        said.append(
            "`perptape publish` mends what can still be read elsewhere, and an hour after it was written puts aside what cannot be read"
        )
    if "newer" in kinds:
        said.append("use the newer perptape that wrote a part of it: this one leaves that as it is, and publishes nothing beside it")
    if "rows" in kinds:
        said.append("a file that a backup has is to be put back before that: liquidations can be had nowhere else")
    if "unclaimed" in kinds:
        said.append(
            "what no coverage speaks of `perptape run FILE` asks for again while its venue serves it; restore a backup for the rest"
        )
    if "unlisted" in kinds:
        said.append("the next `perptape run FILE` lists again what it wants and its venue still has; restore a backup for the rest")
    if "log" in kinds:
        said.append("until a log can be read, what it heard shows as lost or unknown")
    if not STRANGE.isdisjoint(kinds):
        said.append("something else than perptape wrote under data/: move it away")
    return "; ".join(said)


def damage(found: Sequence[Finding]) -> Listing:
    """One row for each finding. Pure."""
    from dataclasses import astuple, fields

    from perptape.store.verify import Finding

    return Listing(tuple(field.name for field in fields(Finding)), [tuple(map(str, astuple(one))) for one in found])
