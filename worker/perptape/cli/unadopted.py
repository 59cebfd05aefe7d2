"""What is said of streams' logs that lie beside a tape: what shows as lost or unknown may be in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perptape import output

if TYPE_CHECKING:
    from perptape.store.log_left import Left


def tell(found: Left) -> None:
    """Says on stderr what lies there, and what cannot be read."""
    for line in notes(found):
        output.note(line)
    for _, line in found.unreadable:
        output.error(line)


def of_rows(found: Left) -> list[str]:
    """What is to be said to who reads liquidations: those that a dead process heard and nobody brought in are not among them. Pure."""
    from perptape.store.reading import counted

    lines = [f"{why}; its rows are not among these" for _, why in found.unreadable]
    what, it = counted(found)
    return [*lines, f"{what}: the rows of {it} are not among these"] if found.waiting else lines


def notes(found: Left) -> list[str]:
    """What is to be said of logs that nothing is wrong with any more than that they lie there. Pure."""
    from perptape.store.reading import waiting

    lines = waiting(found)
    if count := len(found.aside):
        what, it = ("1 damaged log is", "it") if count == 1 else (f"{count} damaged logs are", "them")
        lines.append(
            f"{what} kept in {found.kept}: what could be read of {it} is in the store; delete {it} when nobody wants to look at {it}"
        )
    return lines
