"""Which commands there are, and where. Only the one that is called is imported: a job's start is measured in milliseconds."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from importlib import import_module
from typing import Final

import typer

COMMANDS: Final[dict[str, tuple[str, str]]] = {
    "run": ("run", "run"),
    "fetch-oi": ("fetch", "fetch_oi"),
    "fetch-funding": ("fetch", "fetch_funding"),
    "stream-liquidations": ("stream", "stream_liquidations"),
    "query": ("query", "query"),
    "sql": ("query", "sql"),
    "daemon": ("daemon", "daemon"),
    "status": ("status", "status"),
    "gaps": ("status", "gaps"),
    "verify": ("check", "verify"),
    "publish": ("keep", "publish"),
    "venues": ("venues", "venues"),
    "symbols": ("venues", "symbols"),
    "doctor": ("doctor", "doctor"),
    "simulate": ("simulate", "simulate"),
}
"""Command -> module below `perptape.cli`, and what it is called there. In the order of the help."""


def application(argv: Sequence[str] = ()) -> typer.Typer:
    """The parser: of the called command alone where that is clear, else of all."""
    app = typer.Typer(
        name="perptape", rich_markup_mode=None, pretty_exceptions_enable=False, context_settings={"help_option_names": ["-h", "--help"]}
    )
    app.callback()(_perptape)
    called = argv[0] if argv and argv[0] in COMMANDS else None
    for name, (module, attribute) in COMMANDS.items():
        if called in (None, name):
            found = getattr(import_module(f"perptape.cli.{module}"), attribute)
            if isinstance(found, typer.Typer):
                app.add_typer(found, name=name)
            else:
                app.command(name)(found)
    return app


def prepared(argv: Sequence[str]) -> list[str]:
    """Without any argument: the help. `--campaign` without a seed is the first one's: the parser knows no values that may be left out."""
    found: list[str] = []
    for word, after in itertools.zip_longest(argv, argv[1:], fillvalue="-"):
        found.append(word)
        if word == "--campaign" and argv[0] == "simulate" and after.startswith("-") and not after[1:].isdigit():
            found.append("0")
    return found or ["--help"]


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        from perptape import output

        output.line(f"perptape {version('perptape')}")
        raise typer.Exit


def _perptape(version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="The version.")) -> None:
    """An honest tape of the crypto-derivatives market: open interest, funding and liquidations.

    Times are UTC. Exit: 0 nothing failed, 1 a part failed and a later run may obtain it, 2 usage or spec, 3 everything failed or no store.
    """
