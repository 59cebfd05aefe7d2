"""`perptape simulate`: five venues on this machine, in their own wire formats, with a market made of a seed."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from perptape import output
from perptape.cli import options, places, times
from perptape.errors import UsageError
from perptape.interval import SECOND

if TYPE_CHECKING:
    from perptape.simulation.faults import Fault
    from perptape.simulation.schedule import Schedule

DEFAULT_PORT = 18101
"""Where examples/quickstart.yaml looks for the first venue; the others follow."""
SHORTEST_STORM = 10.0


class Addresses(StrEnum):
    """To whom limits count."""

    single = "single"
    per_peer = "per-peer"


def simulate(
    exchange: options.Exchanges = None,
    host: Annotated[str, typer.Option("--host", metavar="ADDRESS", help="Where to listen.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", min=0, max=65531, help="The first venue's; the others follow. 0: free ones.")
    ] = DEFAULT_PORT,
    seed: Annotated[int, typer.Option("--seed", help="Another seed is another market.")] = 1,
    symbols: Annotated[int, typer.Option("--symbols", metavar="N", min=1, max=2000, help="How many contracts each venue lists.")] = 12,
    speed: Annotated[float, typer.Option("--speed", metavar="FACTOR", min=0.001, help="How fast the venues' clock goes.")] = 1.0,
    offset: Annotated[str | None, typer.Option("--offset", metavar="T", help="How far ahead their clock is, as in 5s or -2h.")] = None,
    compress: Annotated[float, typer.Option("--compress", metavar="FACTOR", min=0.001, help="Divides the windows of all limits.")] = 1.0,
    unlimited: Annotated[bool, typer.Option("--unlimited", help="No limits at all.")] = False,
    faults: Annotated[
        Path | None, typer.Option("--faults", metavar="FILE", help="A JSON list of faults, each with a kind as below.")
    ] = None,
    campaign: Annotated[
        int | None, typer.Option("--campaign", metavar="[SEED]", min=0, help="Let go wrong what a schedule says, each fault in its time.")
    ] = None,
    storm: Annotated[
        str | None, typer.Option("--storm", metavar="T", help="How long the faults of a campaign take altogether. [3h]")
    ] = None,
    addresses: Annotated[
        Addresses, typer.Option("--addresses", help="Whether limits count all clients as one address.")
    ] = Addresses.single,
    print_env: Annotated[bool, typer.Option("--print-env", help="Print the endpoints as shell exports.")] = False,
    ready_file: Annotated[
        Path | None, typer.Option("--ready-file", metavar="PATH", help="Write the endpoints here as JSON, once serving.")
    ] = None,
) -> int:
    """Serve simulated venues until stopped: for demos, tests and work without a network.

    Kinds of faults: status, maintenance, html, empty, list, reset, cut, blackhole, latency, nan, negative, missing, duplicate,
    unsorted; of sockets: silent_ack, no_ack, mute, half_open, twice, malformed, close, abort. The control API under /_control/ on
    every port sets them while it serves (GET /_control/kinds explains them), injects liquidations, skews clocks, delists:
    docs/simulation.md. With --campaign they come and go by themselves, and each is printed when it begins.
    """
    from perptape.simulation.market import Market
    from perptape.simulation.process import run_server
    from perptape.simulation.settings import Settings

    if storm is not None and campaign is None:
        raise UsageError("--storm goes with --campaign: it says how long its faults take")
    over = stormy(storm or "3h")
    settings = Settings(
        venues=places.venues(exchange),
        host=host,
        port=port,
        offset_ms=shift(offset),
        speed=speed,
        compress=compress,
        unlimited=unlimited,
        address_mode=addresses.value,
        faults=read_faults(faults),
    )
    try:
        run_server(
            Market.standard(seed, symbols),
            settings,
            ready(print_env, ready_file),
            (signal.SIGINT, signal.SIGTERM),
            weather=() if campaign is None else schedules(campaign, settings.venues, over),
            told=said,
        )
    except OSError as error:
        raise UsageError(f"{host}:{port} cannot be served: {error.strerror or error}; give another --port, or 0 for free ones") from error
    finally:
        if ready_file is not None:
            ready_file.unlink(missing_ok=True)
    return 0


def stormy(text: str) -> float:
    """How long a campaign's faults take, s. Raises UsageError."""
    seconds = times.length(text, "--storm") / SECOND
    if seconds < SHORTEST_STORM:
        raise UsageError(f"--storm {text} is too short: {SHORTEST_STORM:.0f}s at least")
    return seconds


def schedules(seed: int, venues: Sequence[str], storm: float) -> list[Schedule]:
    """What goes wrong at each venue. Where one alone is served it is the test campaign's own schedule wherever that is of this venue."""
    from perptape.simulation.schedule import schedule

    found = [schedule(seed) if len(venues) == 1 and schedule(seed).venue == venue else schedule(seed, venue) for venue in venues]
    return [one.within(storm) for one in found]


def said(text: str) -> None:
    """A line, at once."""
    output.line(text)
    output.flush()


def shift(text: str | None) -> float:
    """``5s`` or ``-2h`` in ms."""
    if text is None:
        return 0
    return -times.length(text[1:], "--offset") if text.startswith("-") else times.length(text, "--offset")


def read_faults(file: Path | None) -> tuple[Fault, ...]:
    """The faults in a JSON file. Raises UsageError."""
    from perptape.simulation.faults import Fault

    if file is None:
        return ()
    try:
        given = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(given, list):
            raise TypeError("it is not a list")
        return tuple(Fault.of(one) for one in given)
    except (OSError, ValueError, TypeError) as error:
        raise UsageError(f"--faults {file}: {error}") from error


def ready(print_env: bool, file: Path | None) -> Callable[[Mapping[str, str]], None]:
    """What is done once all ports are open: the endpoints are printed and, in one step, written."""

    def told(endpoints: Mapping[str, str]) -> None:
        for line in lines(endpoints, print_env):
            output.line(line)
        output.flush()
        if file is not None:
            partial = file.with_name(f"{file.name}.{os.getpid()}.partial")
            try:
                partial.write_text(json.dumps(dict(endpoints)), encoding="utf-8")
                partial.replace(file)
            except OSError as error:
                raise UsageError(f"--ready-file {file} cannot be written: {error.strerror}") from error

    return told


def lines(endpoints: Mapping[str, str], print_env: bool) -> list[str]:
    """The endpoints for a person, or for a shell's `eval`."""
    if print_env:
        return [f"export PERPTAPE_{venue.upper()}_ENDPOINT={url}" for venue, url in endpoints.items()]
    return [f"{venue:<12} {url}" for venue, url in endpoints.items()] + ["serving: Ctrl-C stops it"]
