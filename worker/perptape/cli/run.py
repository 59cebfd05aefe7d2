"""`perptape run`: carries out a CollectionSpec here, once or for as long as it is left running."""

from __future__ import annotations

import sys
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from perptape.cli import options
from perptape.errors import UsageError
from perptape.settings import Settings

if TYPE_CHECKING:
    from perptape_api.collection import Collection


class Summary(StrEnum):
    """How the summary of a run is printed."""

    table = "table"
    json = "json"


def run(
    ctx: typer.Context,
    file: Annotated[str, typer.Argument(metavar="FILE", help="A CollectionSpec (YAML or JSON); - reads it from stdin.")],
    once: Annotated[bool, typer.Option("--once", help="Fetch what can be had now, and end.")] = False,
    live: Annotated[
        bool,
        typer.Option("--live", help="Ask the real exchanges, whatever endpoints FILE and the environment name; ./tape-live unless told."),
    ] = False,
    exchange: options.Exchanges = None,
    dataset: options.Datasets = None,
    deadline: Annotated[str | None, typer.Option("--deadline", metavar="T", help="End after this long, as in 90s or 10m.")] = None,
    endpoint: options.Endpoints = None,
    catalog: options.Catalog = None,
    form: Annotated[Summary | None, typer.Option("--format", "-f", help="How the summary is printed. [table; json with JSON logs]")] = None,
) -> int:
    """Carry out a CollectionSpec: fetch, stream, publish."""
    from perptape.cli import carry
    from perptape.cli.order import Order

    settings: Settings = ctx.obj
    again = partial(read, file, in_pod=bool(settings.namespace))
    order = Order(
        again(),
        source=source(file),
        exchanges=tuple(exchange or ()),
        datasets=tuple(dataset or ()),
        once=once,
        live=live,
        deadline=deadline,
        endpoints=tuple(endpoint or ()),
        catalog=catalog,
        as_json=form == Summary.json if form is not None else settings.log_format == "json",
        again=again,
    )
    return carry.out(order, settings)


def read(file: str, *, in_pod: bool = False) -> Collection:
    """The collection in a file, `-` for stdin. Raises SpecError or UsageError.

    in_pod: what a newer operator's spec has more is of no concern, and was told in the resource's status.
    """
    from perptape_api.document import load

    if file == "-":
        return load(sys.stdin.read(), "stdin")
    try:
        text = Path(file).read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}; give a CollectionSpec, as in examples/quickstart.yaml") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{file} is no UTF-8 text: give a CollectionSpec in YAML or JSON") from error
    return load(text, file, unknown="ignore" if in_pod else "forbid")


def spec_id(collection: Collection, file: str) -> str:
    """Who wants, on a laptop: the file's name and the collection's. Pure."""
    return f"{source(file)}:{collection.metadata.name}"


def source(file: str) -> str:
    """The file's name, wherever it stands."""
    return "stdin" if file == "-" else Path(file).name
