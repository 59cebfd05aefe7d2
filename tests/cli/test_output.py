"""What is printed, in each form."""

import contextlib
import csv
import io
import json
import os
import pty
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rich.console import Console
from rich.progress import Progress

from perptape import output
from perptape.cli.progress import Bars, Lines
from perptape.cli.rows import iso_ns, listing, newest
from perptape.datasets import DATASETS
from perptape.errors import StoreError, UsageError
from perptape.output import Listing

TWO = Listing(("venue", "rows", "rate", "note"), [("binance", 12345, 0.0001, None), ("okx", 7, float("nan"), 'a "b", c')])


def test_plain_lines_are_aligned_and_never_cut() -> None:
    wide = Listing(("name", "n"), [("x" * 300, 1), ("y", 22)])
    first, second, third = output.plain(wide).splitlines()
    assert second == "x" * 300 + "   1"
    assert third == "y" + " " * 299 + "  22"
    assert first.startswith("name")


def test_json_is_one_array_in_which_no_number_is_null() -> None:
    assert json.loads(output.as_json(TWO)) == [
        {"venue": "binance", "rows": 12345, "rate": 0.0001, "note": None},
        {"venue": "okx", "rows": 7, "rate": None, "note": 'a "b", c'},
    ]
    assert json.loads(output.as_json(Listing(("a",), []))) == []


def test_csv_is_read_back() -> None:
    rows = list(csv.reader(io.StringIO(output.as_csv(TWO))))
    assert rows[0] == ["venue", "rows", "rate", "note"]
    assert rows[2][3] == 'a "b", c'


def test_parquet_keeps_what_it_was_given_and_makes_what_it_was_not(tmp_path: Path) -> None:
    output.emit(TWO, "parquet", tmp_path / "two.parquet")
    assert pq.read_table(tmp_path / "two.parquet")["rows"].to_pylist() == [12345, 7]
    typed = pa.table({"at": pa.array([1], pa.timestamp("ns", tz="UTC"))})
    output.emit(Listing(("at",), [("1970",)], arrow=typed), "parquet", tmp_path / "typed.parquet")
    assert pq.read_table(tmp_path / "typed.parquet").equals(typed)


def test_parquet_is_not_for_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    master, slave = pty.openpty()
    with os.fdopen(slave, "w") as terminal:
        monkeypatch.setattr("sys.stdout", terminal)
        with pytest.raises(UsageError, match="give -o FILE, or pipe it"):
            output.check_form("parquet", None)
        output.check_form("parquet", Path("file"))
    os.close(master)


@pytest.mark.parametrize(
    ("name", "said"), [("x.csv", "give -f csv"), ("x.PARQUET", "give -f parquet"), ("x.xlsx", "json or csv or parquet")]
)
def test_a_table_for_reading_is_not_written_where_a_program_would_read_it(tmp_path: Path, name: str, said: str) -> None:
    with pytest.raises(UsageError, match=f"{name} would hold a table for reading: give -f .*{said.removeprefix('give -f ')}"):
        output.check_form("table", tmp_path / name)
    output.check_form("csv", tmp_path / name)
    output.check_form("table", tmp_path / "x.txt")


@pytest.mark.parametrize("columns", [40, 100])
def test_a_terminal_too_narrow_for_a_table_gets_plain_lines(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    wide = Listing(("venue", "a"), [("binance", "x" * 100)])
    master, slave = pty.openpty()
    with os.fdopen(slave, "w") as terminal:
        monkeypatch.setattr("sys.stdout", terminal)
        monkeypatch.setenv("COLUMNS", str(columns))
        monkeypatch.setenv("TERM", "xterm")
        output.emit(wide, "table")
    shown = os.read(master, 10_000).decode()
    os.close(master)
    assert ("binance  " + "x" * 100 in shown) == (columns == 40)


def test_a_bar_goes_when_its_work_is_done() -> None:
    bars = Progress(console=Console(file=io.StringIO()))
    shown = Bars(bars)
    shown.advanced("okx", "funding", 1, 2, 10)
    assert [task.visible for task in bars.tasks] == [True]
    shown.advanced("okx", "funding", 2, 2, 20)
    assert [task.visible for task in bars.tasks] == [False]


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="missing/file cannot be written: No such file"):
        output.emit(TWO, "csv", tmp_path / "missing/file")


def test_errors_are_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    output.error("first\n  second\n")
    assert capsys.readouterr().err == "error: first second\n"


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, "-"), (True, "yes"), (1234567, "1,234,567"), (1234.5678, "1,234.57"), (0.00012345, "0.00012345"), ("x", "x")],
)
def test_values_for_reading(value: object, shown: str) -> None:
    assert output.human(value) == shown


def test_rows_have_venue_symbol_and_iso_times() -> None:
    row = ("BTCUSDT-PERP.BINANCE", "0.0001", 480, 0, 3_000_000_000, 1_000_000_000, 1_000_000_001)
    table = DATASETS["funding"].table([row])
    found = listing("funding", table, {"BTCUSDT-PERP.BINANCE": ("binance", "BTC/USDT:USDT")})
    (values,) = json.loads(output.as_json(found))
    assert list(values)[:4] == ["venue", "symbol", "instrument_id", "ts_event"]
    assert (values["venue"], values["symbol"], values["rate"], values["interval"]) == ("binance", "BTC/USDT:USDT", "0.0001", 480)
    assert (values["ts_event"], values["ts_init"]) == ("1970-01-01T00:00:01Z", "1970-01-01T00:00:01.000000001Z")
    assert values["next_funding"] is None
    assert found.arrow["ts_event"].type == pa.timestamp("ns", tz="UTC")


def test_an_instrument_that_nobody_lists_any_more_is_shown_by_its_id() -> None:
    table = DATASETS["funding"].table([("OLD-PERP.OKX", "0", None, 0, 1, 1, 1)])
    assert listing("funding", table, {}).rows[0][:2] == ("okx", "OLD-PERP")


def test_the_newest_rows_are_kept_and_the_oldest_of_them_comes_first() -> None:
    table = DATASETS["funding"].table([("A.OKX", "0", None, 0, 1, at, at) for at in (5, 3, 4, 1)])
    assert newest(table, 2)["ts_event"].to_pylist() == [4, 5]
    assert newest(table, 0)["ts_event"].to_pylist() == [1, 3, 4, 5]


def test_nanoseconds_are_shown_where_there_are_any() -> None:
    assert iso_ns(1_500_000_000) == "1970-01-01T00:00:01.500Z"
    assert iso_ns(1_500_000_001) == "1970-01-01T00:00:01.500000001Z"


def test_progress_in_a_pipe_is_a_line_now_and_then_and_one_at_the_end() -> None:
    said: list[str] = []
    times = iter(range(100))
    lines = Lines(clock=lambda: float(next(times)), write=said.append)
    for done in range(1, 13):
        lines.advanced("okx", "funding", done, 12, done * 10)
    assert said == [
        "okx funding: 1 of 12, 10 rows",
        "okx funding: 6 of 12, 60 rows",
        "okx funding: 11 of 12, 110 rows",
        "okx funding: 12 of 12, 120 rows",
    ]


class Writes(io.StringIO):
    def __init__(self):
        super().__init__()
        self.each = []

    def write(self, text):
        self.each.append(text)
        return super().write(text)


def test_a_line_is_one_write_so_that_no_other_process_or_log_comes_between_it_and_its_end():
    told, result = Writes(), Writes()
    with contextlib.redirect_stderr(told), contextlib.redirect_stdout(result):
        output.note("okx funding: 2 of 2")
        output.error("full")
        output.line("rows")
    assert told.each == ["okx funding: 2 of 2\n", "error: full\n"]
    assert result.each == ["rows\n"]
