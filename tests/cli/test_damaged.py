"""What the commands say of objects that cannot be read, and how they end."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import perptape as library
from perptape.datasets import DATASETS
from perptape.store.segment import Segment, encode_segment
from perptape.store.tape import Tape
from support.tapes import VENUES, name_of, write

Perptape = Callable[..., Any]
VENUE, OTHER = VENUES[:2]
READERS = [("query", "liquidations", "BTCUSDT-PERP", "-e", VENUE), ("sql", "SELECT count(*) FROM liquidations")]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A tape of liquidations and open interest that was just written."""
    tape = Tape.open(str(tmp_path / "tape"))
    list(write(tape, lambda: time.time_ns() // 10**6, "w", [VENUE], ["liquidations", "open_interest"]))
    return tmp_path / "tape"


def rows_damaged(path: Path) -> Path:
    """Among the pages; the footer, with all claims, stays as it is."""
    data = path.read_bytes()
    middle = (len(data) - 8 - int.from_bytes(data[-8:-4], "little")) // 2
    path.write_bytes(data[:middle] + bytes(255 - byte for byte in data[middle : middle + 8]) + data[middle + 8 :])
    return path


def test_of_a_segment_whose_rows_are_damaged_every_command_says_the_name(perptape: Perptape, root: Path) -> None:
    broken = rows_damaged(min((root / f"perptape/segments/{VENUE}/liquidations").iterdir()))
    for command, code in [
        *((reader, 0) for reader in READERS),
        (("status",), 0),
        (("gaps", "--fail"), 1),
        (("publish",), 1),
        (("verify",), 1),
    ]:
        ran = perptape(*command)
        assert ran.code == code, command
        assert (ran.out + ran.err).count(f"{broken.name} cannot be read") == 1, (command, ran.err)
    assert "`perptape publish`" in perptape("verify").err


def unread(folder: Path, *words: str) -> tuple[int, str]:
    """How a command ends whose reader has left before it prints, and what it says on stderr."""
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "perptape", *words]
    found = subprocess.run(command, cwd=folder, stdout=writer, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    os.close(writer)
    return found.returncode, found.stderr


@pytest.mark.parametrize(
    ("words", "code"), [("verify", 1), ("verify -f json", 1), ("gaps --fail", 1), ("status", 0), ("publish -f csv", 1), (READERS[0], 0)]
)
def test_a_reader_that_leaves_changes_neither_what_is_said_nor_the_exit_code(root: Path, words: str | tuple[str, ...], code: int) -> None:
    rows_damaged(min((root / f"perptape/segments/{VENUE}/liquidations").iterdir()))
    ended, said = unread(root.parent, *(words.split() if isinstance(words, str) else words))
    assert (ended, "cannot be read" in said or "not as it should be" in said) == (code, True), said


@pytest.mark.parametrize(("words", "code"), [(("run", "spec.yaml", "--once", "--deadline", "1s"), 3), (("daemon", "start"), 2)])
def test_what_collects_does_so_whoever_reads_and_its_exit_code_says_how_it_went(tmp_path: Path, words: tuple[str, ...], code: int) -> None:
    nobody = {"run": "http://127.0.0.1:9", "daemon": "nonsense"}[words[0]]
    venues, collect = "[{exchange: binance}]", "{funding: {backfill: 1d}}"
    spec = f"{{venues: {venues}, symbols: {{names: [BTCUSDT-PERP]}}, collect: {collect}, store: {{persistentVolumeClaim: {{}}}}}}"
    text = f"apiVersion: perptape.io/v1alpha1\nkind: CollectionSpec\nmetadata: {{name: one}}\nspec: {spec}\n"
    (tmp_path / "spec.yaml").write_text(text)
    ended, said = unread(tmp_path, *words, "--endpoint", f"binance={nobody}")
    assert ended == code, said


@pytest.mark.parametrize("what", ["segments", "coverage"])
def test_gaps_fail_where_nobody_can_tell(perptape: Perptape, root: Path, what: str) -> None:
    asked = ("gaps", "--fail", "--dataset", "funding", "-f", "json")
    assert perptape(*asked).code == 0
    broken = root / f"perptape/{what}/{VENUE}/funding/20200101T000000000Z-x.0.parquet"
    broken.parent.mkdir(parents=True)
    broken.write_bytes(b"garbage")
    found = perptape(*asked)
    assert (found.code, found.rows) == (1, []), found.err


@pytest.mark.parametrize("what", ["segments", "coverage"])
@pytest.mark.parametrize(("newer", "broken"), [(True, False), (False, True), (True, True)])
def test_of_what_publishing_keeps_aside_it_is_said_and_of_nothing_that_a_newer_perptape_wrote(
    perptape: Perptape, root: Path, monkeypatch: pytest.MonkeyPatch, what: str, newer: bool, broken: bool
) -> None:
    place, said = root / f"perptape/{what}/{VENUE}/liquidations", ["keeps it aside", "written by a newer perptape"]
    if what == "coverage":
        assert perptape("publish").code == 0
    if broken:
        (place / "20200101T000000000Z-x.0.parquet").write_bytes(b"garbage")
    if newer:
        with monkeypatch.context() as later:
            later.setattr("perptape.store.parquet.VERSION", 2)
            data = encode_segment(Segment(VENUE, "liquidations", "n", DATASETS["liquidations"].empty(), (), (), "live"))
        (place / "20200102T000000000Z-n.0.parquet").write_bytes(data)
    told = perptape("gaps").err
    assert [word in told for word in said] == [broken and not newer, newer]
    with pytest.warns(UserWarning, match="what it says of holes is left out") as warned:
        library.open(root).gaps(VENUE, "liquidations")
    texts = [str(one.message) for one in warned]
    assert [any(word in text for text in texts) for word in said] == [broken and not newer, newer]
    assert len(texts) == newer + broken
    verified = perptape("verify", "-f", "json")
    assert {row["kind"] for row in verified.rows} == {kind for kind, there in (("coverage", broken), ("newer", newer)) if there}
    assert ["`perptape publish` mends" in verified.err, "use the newer perptape" in verified.err] == [broken, newer]
    perptape("publish")
    assert any((root / f"perptape/quarantine/{VENUE}/liquidations").glob(f"perptape~{what}~*")) or newer


def test_where_all_coverage_is_of_a_newer_perptape_only_that_one_is_said_to_mend_it(
    perptape: Perptape, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as later:
        later.setattr("perptape.store.parquet.VERSION", 2)
        assert perptape("publish").code == 0
    shutil.rmtree(root / f"perptape/segments/{VENUE}")
    found = perptape("verify", "-f", "json")
    assert (found.code, {row["kind"] for row in found.rows}) == (1, {"newer"})
    assert ["`perptape publish` mends" in found.err, "use the newer perptape" in found.err] == [False, True]


@pytest.mark.parametrize("published", [False, True])
def test_who_looks_for_a_contract_learns_that_the_list_of_contracts_cannot_be_read(perptape: Perptape, root: Path, published: bool) -> None:
    assert not published or perptape("publish").code == 0
    places = [root / "perptape/instruments", root / f"perptape/segments/{VENUE}/instruments"][not published :]
    broken = [path for place in places for path in place.iterdir()]
    for path in broken:
        path.write_bytes(b"garbage")
    told = [f"{path.name} cannot be read" for path in broken]
    found = perptape(*READERS[0], "-f", "json")
    assert (found.code, [found.err.count(line) for line in told]) == (0, [1] * len(told)), found.err
    assert {row["instrument_id"] for row in found.rows} == {name_of(VENUE)}
    by_symbol = perptape("query", "liquidations", "BTC/USDT:USDT")
    assert (by_symbol.code, [by_symbol.err.count(line) for line in told]) == (2, [1] * len(told)), by_symbol.err


@pytest.fixture
def listless(root: Path, perptape: Perptape) -> Path:
    """A tape of two venues, one of which has no list of contracts any more."""
    tape = Tape.open(str(root))
    list(write(tape, lambda: time.time_ns() // 10**6, "v", [OTHER], ["liquidations", "open_interest"]))
    assert perptape("publish").code == 0
    shutil.rmtree(root / f"perptape/segments/{VENUE}")
    (root / f"perptape/instruments/{VENUE}.parquet").unlink()
    return root


@pytest.mark.parametrize("dataset", ["oi", "liquidations"])
@pytest.mark.parametrize("word", ["BTCUSDT-PERP.BINANCE", "btcusdt-perp"])
def test_rows_of_a_venue_without_a_list_of_contracts_are_found_by_the_id(
    perptape: Perptape, listless: Path, dataset: str, word: str
) -> None:
    found = perptape("query", dataset, word, "-e", VENUE, "-f", "json")
    assert (found.code, {row["instrument_id"] for row in found.rows}) == (0, {name_of(VENUE)}), found.err
    assert f"{name_of(VENUE)} is in no list of contracts: see `perptape verify`" in found.err


def test_a_word_that_may_mean_what_no_list_has_is_said_and_the_rest_shown(perptape: Perptape, listless: Path) -> None:
    told = f"{VENUE} has 1 contract in no list: name the full id, as in {name_of(VENUE)}, or let `perptape run FILE` bring the list back"
    found = perptape("query", "oi", "BTC/USDT:USDT", "-e", VENUE, "-e", OTHER, "-f", "json")
    assert (found.code, {row["venue"] for row in found.rows}, told in found.err) == (1, {OTHER}, True), found.err
    alone = perptape("query", "oi", "BTC/USDT:USDT", "-e", VENUE)
    assert (alone.code, told in alone.err, "holds nothing" in alone.err) == (2, True, False), alone.err
    another = perptape("query", "oi", name_of(OTHER))
    assert (another.code, another.err) == (0, ""), "an id says whose it is"


def test_verify_says_that_a_list_of_contracts_is_gone_and_what_brings_it_back(perptape: Perptape, listless: Path) -> None:
    found = perptape("verify", "-f", "json")
    assert (found.code, [(row["kind"], row["path"]) for row in found.rows]) == (1, [("unlisted", f"perptape/instruments/{VENUE}.parquet")])
    assert "`perptape run FILE` lists again" in found.err


@pytest.mark.parametrize("what", ["data", "coverage", "instruments"])
def test_a_publish_that_meets_any_other_damage_ends_with_1_and_then_with_0(perptape: Perptape, root: Path, what: str) -> None:
    assert perptape("publish").code == 0
    places = {
        "data": root / f"data/custom_liquidation/{name_of(VENUE)}",
        "coverage": root / f"perptape/coverage/{VENUE}/liquidations",
        "instruments": root / "perptape/instruments",
    }
    name = min(places[what].iterdir()).name
    broken = places[what] / (name if what != "coverage" else "20200101T000000000Z-x.0.parquet")
    broken.write_bytes(b"garbage")
    found = perptape("publish")
    assert (found.code, f"{broken.name} cannot be read" in found.err) == (1, True), found.err
    assert perptape("publish").code == 0


def test_a_folder_in_the_place_of_a_file_is_named_with_what_to_do(perptape: Perptape, root: Path) -> None:
    assert perptape("publish").code == 0
    path = min((root / f"data/custom_open_interest/{name_of(VENUE)}").iterdir())
    path.unlink()
    path.mkdir()
    for command in (("verify",), ("verify", "--repair"), ("publish",)):
        found = perptape(*command)
        assert (found.code, path.name in found.out + found.err, "move it away" in found.out + found.err) == (1, True, True), command
    path.rmdir()
    assert perptape("publish").code == 0
    assert perptape("verify").code == 0
