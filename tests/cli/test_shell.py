"""How commands begin and end: help, wrong arguments, failures, completion."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from perptape.cli.app import COMMANDS
from perptape.simulation.faults import KINDS

pytestmark = pytest.mark.slow

Perptape = Callable[..., Any]
ROOT = Path(__file__).resolve().parents[2]


def test_the_help_names_every_command(perptape: Perptape) -> None:
    for arguments in ((), ("--help",), ("-h",)):
        found = perptape(*arguments)
        assert found.code == 0
        assert [name for name in COMMANDS if f"\n  {name} " not in found.out] == []


def test_the_examples_in_the_help_work_on_a_tape_that_is_empty(perptape: Perptape, tmp_path: Path) -> None:
    (tmp_path / "tape/perptape").mkdir(parents=True)
    (tmp_path / "tape/perptape/store.json").write_text('{"version": 1, "format": "nautilus1", "origin": "live"}')
    examples = [one for name in COMMANDS for one in statements(perptape(name, "--help").out)]
    assert examples
    for example in examples:
        found = perptape("sql", example, "-f", "json")
        assert (found.code, found.rows) == (0, []), found.err


def statements(text: str) -> list[str]:
    """The SQL in a help's text, which breaks its lines anywhere."""
    return re.findall('"(SELECT [^"]+)"', " ".join(text.split()))


def test_the_help_and_the_docs_of_simulated_venues_name_every_fault(perptape: Perptape) -> None:
    shown, written = perptape("simulate", "--help").out, (ROOT / "docs/simulation.md").read_text()
    assert [kind for kind in KINDS if not re.search(rf"\b{kind}\b", shown)] == []
    assert [kind for kind, does in KINDS.items() if f"| `{kind}` | {does} |" not in written] == []


@pytest.mark.parametrize("command", list(COMMANDS))
def test_every_command_has_help_of_its_own(perptape: Perptape, command: str) -> None:
    found = perptape(command, "--help")
    assert found.code == 0
    assert f"Usage: perptape {command}" in found.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("statsu",), "No such command 'statsu'. Did you mean 'status'? See `perptape --help`"),
        (("run",), "Missing argument 'FILE': see `perptape run --help`"),
        (("query", "trades", "BTC"), "'trades' is not one of"),
        (("fetch-oi", "BTCUSDT-PERP", "--timeout", "soon"), "Invalid value for '--timeout': Input should be a valid number"),
        (("fetch-oi", "BTCUSDT-PERP", "-e", "binanc"), "unknown exchange 'binanc'; did you mean binance"),
        (("fetch-oi", "BTCUSDT-PERP", "-e", "foo"), "unknown exchange 'foo'. Known: binance"),
        (("fetch-oi", ""), "it is empty; write one as BTCUSDT-PERP"),
        (("fetch-oi", "BTCUSDT-PERP", "--to", "2026-01-01"), "--to needs --from"),
        (("fetch-oi", "BTCUSDT-PERP", "--from", "2026-01-02", "--to", "2026-01-01"), "is not before --to"),
        (("query", "oi", "BTCUSDT-PERP", "--predicted"), "--predicted goes with funding"),
        (("stream-liquidations", "BTCUSDT-PERP", "--quiet"), "--quiet without --store"),
        (("daemon", "start", "--oi-interval", "7"), "--oi-interval 7: one of 1, 2, 3"),
        (("status",), "there is no tape at ./tape: `perptape run FILE` makes one"),
        (("query", "oi", "BTCUSDT-PERP"), "there is no tape at ./tape"),
        (("verify", "--catalog", "ftp://x"), "neither a folder nor s3://bucket/prefix"),
        (("run", "missing.yaml"), "missing.yaml cannot be read: No such file or directory"),
        (("simulate", "--faults", "missing.json"), "--faults missing.json"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_2(perptape: Perptape, arguments: tuple[str, ...], said: str) -> None:
    found = perptape(*arguments)
    assert found.code == 2
    assert found.out == ""
    (line,) = found.err.splitlines()
    assert line.startswith("error: ")
    assert said in line


def test_a_wrong_field_of_a_spec_is_named_with_what_is_allowed(perptape: Perptape, tmp_path: Path) -> None:
    text = (ROOT / "examples/quickstart.yaml").read_text()
    (tmp_path / "wrong.yaml").write_text(text.replace("every: 5m", "every: 7m").replace("exchange: okx", "exchange: okex"))
    found = perptape("run", "wrong.yaml", "--once")
    assert found.code == 2
    first, second = found.err.splitlines()
    assert "wrong.yaml: spec.venues[3].exchange: 'okex' is not one of binance" in first
    assert "wrong.yaml: spec.collect.openInterest.every: '7m' is not one of 1m" in second


def test_a_wrong_setting_is_an_error_of_usage(perptape: Perptape) -> None:
    found = perptape("venues", environ={"PERPTAPE_LOG_LEVEL": "loud"})
    assert (found.code, found.err) == (2, "error: PERPTAPE_LOG_LEVEL=loud is not one of debug, info, warning, error\n")


def loaded_by(*arguments: str) -> set[str]:
    """The modules that a command imports."""
    script = "import sys; from perptape.cli.shell import run; run(sys.argv[1:], {}); print(*sys.modules, sep='\\n', file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=True)
    return set(done.stderr.splitlines())


@pytest.mark.parametrize(
    "arguments",
    [
        ("--help",),
        ("venues",),
        ("query", "oi", "BTCUSDT-PERP"),
        ("query", "liquidations", "BTCUSDT-PERP"),
        ("gaps",),
        ("run", "--help"),
    ],
)
def test_what_asks_nobody_does_not_wait_for_the_imports_of_asking(arguments: tuple[str, ...]) -> None:
    assert (
        loaded_by(*arguments) & {"ccxt", "ccxt.async_support", "aiohttp", "s3fs", "structlog", "duckdb", "asyncio", "rich.console"} == set()
    )


@pytest.mark.parametrize(
    ("command", "chosen", "allocator"), [("daemon", None, "system"), ("run", "mimalloc", "mimalloc"), ("venues", None, None)]
)
def test_what_stays_for_months_takes_its_memory_from_the_system_where_nobody_chose(
    command: str, chosen: str | None, allocator: str | None
) -> None:
    script = """
import atexit, sys
from perptape.cli import main
def tell():
    import pyarrow
    print(pyarrow.default_memory_pool().backend_name, file=sys.stderr)
atexit.register(tell)
main()
"""
    environ = {name: value for name, value in os.environ.items() if name != "ARROW_DEFAULT_MEMORY_POOL"}
    environ |= {"ARROW_DEFAULT_MEMORY_POOL": chosen} if chosen else {}
    done = subprocess.run([sys.executable, "-c", script, command, "--help"], env=environ, capture_output=True, text=True, check=True)
    plain = subprocess.run(
        [sys.executable, "-c", "import pyarrow; print(pyarrow.default_memory_pool().backend_name)"],
        env=environ, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stderr == (f"{allocator}\n" if allocator else plain.stdout)


def test_the_shell_completes_commands_and_venues() -> None:
    def completed(words: str, cword: int) -> list[str]:
        environ = {**os.environ, "_PERPTAPE_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(cword)}
        done = subprocess.run([sys.executable, "-m", "perptape"], env=environ, capture_output=True, text=True, check=False)
        return done.stdout.split()

    assert completed("perptape fetch", 1) == ["fetch-oi", "fetch-funding"]
    assert completed("perptape venues -e b", 3) == ["binance", "bybit"]


def test_a_reader_that_leaves_early_is_no_failure() -> None:
    command = f"{sys.executable} -m perptape venues --format csv | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("0\n", "")


@pytest.mark.parametrize("words", ["venues", "venues -f csv", "venues -f parquet", "--version", "run --help"])
def test_an_output_that_takes_nothing_is_said_in_a_line(words: str) -> None:
    command = f"{shlex.quote(sys.executable)} -m perptape {words} > /dev/full"
    found = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=60)
    assert (found.returncode, found.stderr) == (3, "error: the output cannot be written: the disk is full\n")


@pytest.mark.parametrize(("words", "code"), [("venues", 0), ("nonsense", 2), ("status --catalog ./nothing", 2), ("verify --sample x", 2)])
def test_a_log_that_takes_nothing_changes_no_exit_code(words: str, code: int, tmp_path: Path) -> None:
    command = f"{shlex.quote(sys.executable)} -m perptape {words} 2> /dev/full"
    found = subprocess.run(["sh", "-c", command], cwd=tmp_path, capture_output=True, timeout=60)
    assert found.returncode == code


@pytest.mark.parametrize(("closed", "code"), [("1>&-", 3), ("2>&-", 0), ("1>&- 2>&-", 3), ("1>/dev/null", 0)])
def test_rows_for_an_output_that_is_closed_are_a_failure_and_a_closed_log_is_none(closed: str, code: int) -> None:
    command = f"{shlex.quote(sys.executable)} -m perptape venues -f csv {closed}"
    found = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=60)
    said = "error: the output cannot be written: it is closed\n" if closed == "1>&-" else ""
    assert (found.returncode, found.stderr) == (code, said)


@pytest.mark.parametrize(("words", "code"), [("venues -f csv -o rows.csv", 0), ("--version", 0), ("run missing.yaml --once", 2)])
def test_what_prints_no_rows_asks_for_no_output(words: str, code: int, tmp_path: Path) -> None:
    command = f"{shlex.quote(sys.executable)} -m perptape {words} >&-"
    assert subprocess.run(["sh", "-c", command], cwd=tmp_path, capture_output=True, timeout=60).returncode == code


def test_the_version_is_told(perptape: Perptape) -> None:
    found = perptape("--version")
    assert found.code == 0
    assert found.out.startswith("perptape 0.")
