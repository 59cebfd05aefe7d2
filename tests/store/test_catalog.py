"""The facade on a real folder, and the names of what it writes."""

import os
import re
import shutil
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

import perptape
from perptape.datasets import DATASETS
from perptape.datasets.base import Format
from perptape.errors import StoreError, UsageError
from perptape.interval import DAY, HOUR, MINUTE, NS
from perptape.store import layout
from perptape.store.layout import Span, span_of
from perptape.store.tape import Tape
from support.storage import Bucket, MemoryFileSystem
from support.tapes import START, VENUES, instrument, missing, name_of, open_interest, write

times = st.integers(0, 4 * 10**18)


def clock() -> int:
    return 20_010 * DAY


@given(times)
def test_the_name_of_a_time_reads_back(ns: int) -> None:
    assert layout.from_iso(layout.iso(ns)) == ns


@given(times, st.sampled_from(["day", "month"]))
def test_a_span_holds_its_time_and_touches_its_neighbours(ns: int, kind: layout.SpanKind) -> None:
    span = span_of(ns, kind)
    assert span.start <= ns <= span.end
    assert span_of(span.end + 1, kind).start == span.end + 1
    assert layout.data_name(layout.data_file("custom_open_interest", "xyz:A/B.C", span)) == ("xyz:AB.C", span)


def test_names_are_those_that_nautilus_writes() -> None:
    december = int(datetime(2025, 12, 31, 5, tzinfo=UTC).timestamp()) * 10**9
    day, month = span_of(december, "day"), span_of(december, "month")
    assert day.name == "2025-12-31T00-00-00-000000000Z_2025-12-31T23-59-59-999999999Z"
    assert month.name == "2025-12-01T00-00-00-000000000Z_2025-12-31T23-59-59-999999999Z"
    assert isinstance(day, Span)


@given(st.integers(0, 4 * 10**12), st.sampled_from(["w", "a-b.c"]), st.integers(0, 99))
def test_the_time_in_a_segment_s_name_reads_back(ms: int, writer: str, number: int) -> None:
    assert layout.named_at(layout.segment_name(ms, writer, number)) == ms


@pytest.mark.slow
def test_what_is_written_is_read_before_and_after_publishing_alike(tmp_path: Path) -> None:
    tape = Tape.open(str(tmp_path / "tape"))
    done = list(write(tape, clock, "w"))
    before = {dataset: tape.read(dataset) for dataset in DATASETS}
    assert missing(tape, done) == []
    reports = tape.publish()
    assert {r.venue for r in reports} == set(VENUES)
    assert [r.error for r in reports if r.error] == []
    catalog = perptape.open(str(tmp_path / "tape"))
    assert {dataset: catalog.read(dataset) for dataset in DATASETS} == before
    assert catalog.venues() == VENUES
    assert tape.verify() == []
    assert [seen.instrument for seen in catalog.instruments("okx")] == [instrument("okx")]


def test_a_row_before_1970_hides_no_other_from_readers(tmp_path: Path) -> None:
    tape = Tape.open(str(tmp_path / "tape"))
    list(write(tape, clock, "w"))
    before = tape.read("open_interest")
    bad = before.slice(0, 1).set_column(before.schema.names.index("ts_event"), before.schema.field("ts_event"), [[-5]])
    bad = bad.set_column(bad.schema.names.index("ts_init"), bad.schema.field("ts_init"), [[-5]])
    tape.commit("okx", "open_interest", bad, (), (), "other", clock)
    seen = tape.read("open_interest")
    assert seen.num_rows == before.num_rows + 1
    assert sorted(seen["ts_init"].to_pylist())[0] == -5
    assert tape.read("open_interest", start=0) == before


def test_sql_sees_each_row_once_in_both_formats(tmp_path: Path) -> None:
    for form in ("nautilus1", "nautilus2"):
        tape = Tape.open(str(tmp_path / form))
        tape.prepare("live", form)  # type: ignore[arg-type]
        hours = [START + i * HOUR for i in range(30)]
        tape.commit("okx", "open_interest", open_interest("okx", hours, 5), (), (), "w", clock)
        tape.publish()
        tape.commit("okx", "open_interest", open_interest("okx", hours[20:], 6), (), (), "w", clock)
        answer = tape.sql("SELECT count(*) AS n, min(ts_event) AS first, sum(ts_received) AS received FROM open_interest")
        assert answer.to_pylist() == [{"n": 30, "first": START * NS, "received": (20 * 5 + 10 * 6) * NS}]
        with pytest.raises(UsageError, match="DuckDB"):
            tape.sql("SELECT nothing FROM open_interest")


def test_the_query_in_the_docs_reads_funding_files_without_perptape(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    tape = Tape.open("tape")
    list(write(tape, clock, "w"))
    tape.publish()
    text = (Path(__file__).resolve().parents[2] / "docs/datasets.md").read_text()
    (query,) = re.findall("```sql\n(.*?)```", text, re.DOTALL)
    found = duckdb.sql(query).to_arrow_table().sort_by([("instrument_id", "ascending"), ("settled", "ascending")])
    rows = tape.read("funding").sort_by([("instrument_id", "ascending"), ("ts_event", "ascending")])
    assert found["instrument_id"].to_pylist() == rows["instrument_id"].to_pylist() != []
    assert found["rate"].to_pylist() == [float(rate) for rate in rows["rate"].to_pylist()]
    assert found["settled"].cast("int64").to_pylist() == rows["ts_event"].to_pylist()


def test_a_range_is_half_open_in_event_time(tmp_path: Path) -> None:
    tape = Tape.open(str(tmp_path))
    tape.prepare("live", "nautilus1")
    tape.commit("okx", "open_interest", open_interest("okx", [START + i * HOUR for i in range(48)], 5), (), (), "w", clock)
    tape.publish()
    start, end = START + 3 * HOUR, START + 26 * HOUR
    found = [t // NS for t in tape.read("open_interest", [name_of("okx")], start, end)["ts_event"].to_pylist()]
    assert found == list(range(start, end, HOUR))
    moment = datetime.fromtimestamp(start / 1000, UTC)
    assert tape.read("open_interest", [name_of("okx")], moment, end).num_rows == len(found)
    assert tape.read("open_interest", [name_of("okx")], 0, START).num_rows == 0


@pytest.mark.parametrize(
    ("instruments", "start", "end", "said"),
    [
        (["NOTHING.OKX"], None, None, "nothing of NOTHING.OKX"),
        ([name_of("okx"), name_of("okx").replace("USDT", "USTD")], None, None, f"nearest: {name_of('okx')}"),
        (None, START + 2, START + 1, "is after end"),
        (None, START // 1000, None, "seconds times 1000"),
        (None, None, START // 1000, "seconds times 1000"),
        (None, START * NS, None, "ns divided by 1000000"),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path: Path, instruments: list[str] | None, start: int, end: int, said: str) -> None:
    tape = Tape.open(str(tmp_path / "tape"))
    list(write(tape, clock, "w"))
    with pytest.raises(UsageError, match=said):
        tape.read("open_interest", instruments, start, end)


@pytest.mark.slow
def test_times_without_a_zone_are_utc_on_every_machine(tmp_path: Path) -> None:
    tape = Tape.open(str(tmp_path / "tape"))
    list(write(tape, clock, "w"))
    expected = tape.read("open_interest", None, START, START + 3 * HOUR).num_rows
    code = f"""
import datetime, perptape
found = perptape.open({str(tmp_path / "tape")!r})
start = datetime.datetime.fromtimestamp({START / 1000}, datetime.UTC).replace(tzinfo=None)
print(found.read("open_interest", None, start, {START + 3 * HOUR}).num_rows)
"""
    for zone in ("UTC", "America/New_York", "Asia/Tokyo"):
        ran = subprocess.run([sys.executable, "-c", code], env={**os.environ, "TZ": zone}, capture_output=True, check=True)
        assert int(ran.stdout) == expected > 0


def test_one_instrument_and_a_path_are_taken_as_they_are(tmp_path: Path) -> None:
    tape = Tape.open(str(tmp_path / "tape"))
    list(write(tape, clock, "w"))
    one = name_of("okx")
    assert perptape.open(tmp_path / "tape").read("open_interest", one).equals(tape.read("open_interest", [one]))


def test_folders_that_were_moved_away_with_a_link_in_their_place_are_read(tmp_path: Path) -> None:
    tape = Tape.open(str(tmp_path / "tape"))
    list(write(tape, clock, "w"))
    before = {dataset: tape.read(dataset) for dataset in ("open_interest", "funding")}
    tape.publish()
    shutil.rmtree(tmp_path / "tape/perptape/segments")
    for folder in ("custom_open_interest", f"funding_rate_update/{name_of('okx')}"):
        (tmp_path / folder).parent.mkdir(exist_ok=True)
        (tmp_path / "tape/data" / folder).rename(tmp_path / folder)
        (tmp_path / "tape/data" / folder).symlink_to(tmp_path / folder)
    (tmp_path / "custom_open_interest/round").symlink_to(tmp_path)
    (tmp_path / "custom_open_interest/nowhere").symlink_to(tmp_path / "nothing")
    assert {dataset: tape.read(dataset) for dataset in before} == before
    assert {finding.kind for finding in tape.verify()} <= {"stray"}


def test_one_period_is_read_the_finest_that_covers_the_range(tmp_path: Path) -> None:
    tape = Tape.open(str(tmp_path))
    tape.prepare("live", "nautilus1")

    def rows(minutes: int, first: int, count: int) -> list[tuple[object, ...]]:
        events = [START + first + i * minutes * MINUTE for i in range(count)]
        return [(name_of("okx"), 1.0, None, None, "contracts", minutes, 1, t * NS, (t + (minutes + 5) * MINUTE) * NS) for t in events]

    table = DATASETS["open_interest"].table([*rows(60, 0, 48), *rows(5, 0, 576), *rows(1, DAY, 60)])
    tape.commit("okx", "open_interest", table, (), (), "w", clock)
    assert set(tape.read("open_interest")["period_minutes"].to_pylist()) == {5}
    assert set(tape.read("open_interest", period=60)["period_minutes"].to_pylist()) == {60}


def test_several_publishers_and_writers_at_once_on_one_folder(tmp_path: Path) -> None:
    tapes = [Tape.open(str(tmp_path)) for _ in range(4)]
    done: list[tuple[str, str, int]] = []
    errors: list[str] = []

    def work(number: int) -> None:
        done.extend(write(tapes[number], clock, f"w{number}", [VENUES[number % 3]], ["open_interest"]))
        errors.extend(r.error for r in tapes[number].publish(lease=False) if r.error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert missing(tapes[0], done) == []
    assert tapes[0].verify() == []


def test_what_the_dead_left_behind_is_swept_away_after_an_hour(tmp_path: Path) -> None:
    tape = Tape.open(str(tmp_path))
    list(write(tape, clock, "w", ["okx"], ["funding"]))
    old, new = tmp_path / "perptape/tmp/dead-0", tmp_path / "perptape/tmp/alive-0"
    old.write_bytes(b"half")
    new.write_bytes(b"half")
    os.utime(old, (0, 0))
    tape.publish()
    assert not old.exists()
    assert new.exists()


def test_an_empty_place_is_an_empty_catalog(tmp_path: Path) -> None:
    catalog = Tape.open(str(tmp_path / "nothing"))
    assert catalog.read("funding").num_rows == 0
    assert catalog.venues() == ()
    assert catalog.origin is None
    assert not (tmp_path / "nothing").exists()
    with pytest.raises(UsageError, match="open_interest"):
        catalog.read("trades")


def test_importing_perptape_loads_no_pyarrow() -> None:
    code = "import sys, perptape; sys.exit('pyarrow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_tape_deleted_under_a_process_that_stays_is_made_again_for_the_same(tmp_path: Path) -> None:
    tape = Tape.open(str(tmp_path / "tape"))
    tape.prepare("simulated:7", "nautilus2")
    shutil.rmtree(tmp_path / "tape")
    tape.commit("okx", "open_interest", open_interest("okx", [START], 5), (), (), "w", clock)
    made = Tape.open(str(tmp_path / "tape"))
    assert (made.origin, made.layout) == ("simulated:7", "nautilus2")
    assert [report.error for report in tape.publish()] == [None]
    assert made.read("open_interest").num_rows == 1


@pytest.mark.parametrize(("origin", "form"), [("live", "nautilus2"), ("simulated:7", "nautilus1")])
def test_a_tape_made_anew_for_others_takes_nothing_of_a_process_that_stays(tmp_path: Path, origin: str, form: Format) -> None:
    tape = Tape.open(str(tmp_path / "tape"))
    tape.prepare("simulated:7", "nautilus2")
    shutil.rmtree(tmp_path / "tape")
    theirs = Tape.open(str(tmp_path / "tape"))
    theirs.prepare(origin, form)
    for _ in range(2):  # it is not believed the second time either
        with pytest.raises(StoreError, match="made anew, for origin"):
            tape.commit("okx", "open_interest", open_interest("okx", [START], 5), (), (), "w", clock)
    assert theirs.datasets() == ()
    assert tape.publish() == []


def test_a_store_whose_store_json_alone_went_is_neither_read_nor_made_anew(tmp_path: Path) -> None:
    """Made anew by whoever comes next, a simulated venue's rows would stand beside the market's."""
    stays = Tape.open(str(tmp_path))
    list(write(stays, lambda: 20_010 * DAY, "w", VENUES[:1]))
    stays.publish()
    (tmp_path / layout.STORE).unlink()
    for act in (
        lambda: Tape.open(str(tmp_path)).prepare("simulated:1", "nautilus1"),
        lambda: Tape.open(str(tmp_path)).made(),
        lambda: perptape.open(str(tmp_path)).read("funding"),
    ):
        with pytest.raises(StoreError, match=r"store.json is gone, and there is data beside it: put it back"):
            act()
    assert not (tmp_path / layout.STORE).exists()
    stays.commit("okx", "open_interest", open_interest("okx", [START], 5), (), (), "w", clock)  # a process that stays knows what it was
    assert Tape.open(str(tmp_path)).origin == "live"


def test_a_store_that_is_made_while_another_process_looks_is_that_one_s() -> None:
    bucket, first = Bucket(), []

    def made(call: str, path: str) -> None:
        if not first and call == "read" and path == layout.STORE:
            first.append(None)
            list(write(Tape(MemoryFileSystem(bucket, lambda: 0)), lambda: 20_010 * DAY, "w", VENUES[:1]))

    assert Tape(MemoryFileSystem(bucket, lambda: 0, before=made)).origin == "live"
    late = Bucket()
    done: list[None] = []

    def late_made(call: str, path: str) -> None:
        if not done and call == "list":
            done.append(None)
            list(write(Tape(MemoryFileSystem(late, lambda: 0)), lambda: 20_010 * DAY, "w", VENUES[:1]))

    assert Tape(MemoryFileSystem(late, lambda: 0, before=late_made)).origin == "live"
    assert done
