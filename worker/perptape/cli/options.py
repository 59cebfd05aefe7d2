"""The options that commands share, said once."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from perptape_api.names import DATASETS, EXCHANGES


def _venue_words(incomplete: str) -> list[str]:
    return [venue for venue in EXCHANGES if venue.startswith(incomplete)]


def _dataset_words(incomplete: str) -> list[str]:
    return [dataset for dataset in DATASETS if dataset.startswith(incomplete)]


def _endpoint_words(incomplete: str) -> list[str]:
    return [f"{venue}=http://" for venue in EXCHANGES if venue.startswith(incomplete)]


def _symbol_words(incomplete: str) -> list[str]:
    return [word for word in ("BTCUSDT-PERP", "ETHUSDT-PERP", "SOLUSDT-PERP") if word.startswith(incomplete.upper())]


def _named(words: list[str]) -> list[str]:
    if not all(word.strip() for word in words):
        raise typer.BadParameter("it is empty; write one as BTCUSDT-PERP")
    return words


class Format(StrEnum):
    """How rows are printed."""

    table = "table"
    json = "json"
    csv = "csv"
    parquet = "parquet"


Catalog = Annotated[
    str | None,
    typer.Option(
        "--catalog", metavar="PATH|s3://BUCKET/PREFIX", help="Where the tape is. [PERPTAPE_CATALOG, else ./tape]", show_default=False
    ),
]
Exchanges = Annotated[
    list[str] | None,
    typer.Option(
        "--exchange", "-e", metavar="EXCHANGE", help="A venue; repeatable. [all]", autocompletion=_venue_words, show_default=False
    ),
]
Datasets = Annotated[
    list[str] | None,
    typer.Option("--dataset", metavar="DATASET", help="A dataset; repeatable. [all]", autocompletion=_dataset_words, show_default=False),
]
Endpoints = Annotated[
    list[str] | None,
    typer.Option(
        "--endpoint",
        metavar="EXCHANGE=URL",
        help="Reach a venue here instead (a proxy, `perptape simulate`); repeatable. [PERPTAPE_<EXCHANGE>_ENDPOINT]",
        autocompletion=_endpoint_words,
        show_default=False,
    ),
]
Symbols = Annotated[
    list[str],
    typer.Argument(
        metavar="SYMBOL",
        help="BTCUSDT-PERP, BTC/USDT:USDT, BTCUSDT-LINEAR.BYBIT or a venue's own id.",
        autocompletion=_symbol_words,
        callback=_named,
    ),
]
From = Annotated[
    str | None,
    typer.Option("--from", metavar="TIME", help="From here: a date (its start), a UTC timestamp, or 7d (ago).", show_default=False),
]
To = Annotated[
    str | None,
    typer.Option("--to", metavar="TIME", help="Up to here: a date (its end) or a UTC timestamp (exclusive).", show_default=False),
]
Form = Annotated[Format, typer.Option("--format", "-f", help="How rows are printed.")]
Output = Annotated[Path | None, typer.Option("-o", "--output", metavar="FILE", help="Write the rows here.", show_default=False)]
Timeout = Annotated[float, typer.Option("--timeout", metavar="SECONDS", min=0.1, max=86_400, help="How long one venue may take.")]
Exact = Annotated[bool, typer.Option("--exact", help="Never take a venue's default perpetual instead of the symbol asked for.")]
