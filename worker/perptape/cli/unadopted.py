"""What is said of streams' logs that lie beside a tape: what shows as lost or unknown may be in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perptape import output

if TYPE_CHECKING:
    from perptape.settings import Settings
    from perptape.store.catalog import Catalog
    from perptape.store.log_left import Left


def look(tape: Catalog, settings: Settings) -> Left:
    """What is left in the logs of a tape; nothing where there is no place for them on this machine. Changes nothing. Raises StoreError."""
    from perptape.store.log_disk import LocalLogDisk
    from perptape.store.log_left import Left, left
    from perptape.store.log_place import logs_of

    disk = LocalLogDisk()
    logs = logs_of(tape, settings.state, disk)
    return Left("", "") if logs is None else left(logs, disk)


def tell(tape: Catalog, settings: Settings) -> None:
    """Says on stderr what `look` found. Raises StoreError."""
    found = look(tape, settings)
    for line in notes(found):
        output.note(line)
    for _, line in found.unreadable:
        output.error(line)


def notes(found: Left) -> list[str]:
    """What is to be said of logs that nothing is wrong with any more than that they lie there. Pure."""
    lines = []
    if count := len(found.waiting):
        what = "1 log of a stream whose process is dead is" if count == 1 else f"{count} logs of streams whose processes are dead are"
        it = "it" if count == 1 else "them"
        lines.append(
            f"{what} in {found.root} and not in the store yet: what shows as lost, open or unproven may be in {it}; the next "
            f"`perptape run FILE` or `perptape stream-liquidations --store` brings {it} in"
        )
    if count := len(found.aside):
        what, it = ("1 damaged log is", "it") if count == 1 else (f"{count} damaged logs are", "them")
        lines.append(
            f"{what} kept in {found.kept}: what could be read of {it} is in the store; delete {it} when nobody wants to look at {it}"
        )
    return lines
