"""Published data of which no coverage speaks, as where `perptape/coverage` went after the segments: found, and nothing else for it."""

from __future__ import annotations

import pytest

from perptape.claims import Want
from perptape.coverage import Coverage
from perptape.damage import Damage
from perptape.datasets import DATASETS
from perptape.interval import DAY
from perptape.store.tape import Tape
from perptape.store.unclaimed import spoken_of
from support.published import Published
from support.storage import MemoryFileSystem
from support.tapes import START, VENUES, funding, name_of, open_interest, write

VENUE, OTHER = VENUES[:2]
NAME = name_of(VENUE)


class World(Published):
    """One of which something is deleted."""

    def without(self, start: str) -> World:
        for path in self.paths(start):
            del self.bucket.objects[path]
        return self


FOLDERS = {"open_interest": "custom_open_interest", "funding": "funding_rate_update", "liquidations": "custom_liquidation"}


def test_of_a_venue_without_any_coverage_every_published_contract_is_found() -> None:
    one = World().written()
    assert one.found() == []
    one.without(f"perptape/coverage/{VENUE}")
    assert sorted(one.found()) == sorted(("unclaimed", f"data/{folder}/{NAME}") for folder in FOLDERS.values())
    assert "1 data file is here" in next(each.message for each in one.tape.verify() if FOLDERS["funding"] in each.path)


@pytest.mark.parametrize("dataset", FOLDERS)
def test_of_one_dataset_without_coverage_that_one_is_found(dataset: str) -> None:
    one = World().written().without(f"perptape/coverage/{VENUE}/{dataset}")
    assert one.found() == [("unclaimed", f"data/{FOLDERS[dataset]}/{NAME}")]


def test_a_run_and_a_publish_mend_it() -> None:
    one = World().written().without(f"perptape/coverage/{VENUE}")
    list(write(one.tape, lambda: one.ms, "again", [VENUE]))
    one.published()
    assert one.found() == []


def test_current_values_that_were_fetched_once_are_nothing_wrong() -> None:
    one = World()
    one.tape.prepare("live", "nautilus1")
    sample = open_interest(VENUE, [START], one.ms)
    at = sample.schema.names.index("period_minutes")
    sample = sample.set_column(at, sample.schema.field(at), [[0]]).cast(DATASETS["open_interest"].schema)
    one.tape.commit(VENUE, "open_interest", sample, (), (), "fetch", lambda: one.ms)
    one.published()
    assert one.paths("data/custom_open_interest")
    assert not one.paths("perptape/coverage")
    assert not one.paths("perptape/segments")
    assert one.found() == []
    one.tape.commit(VENUE, "funding", funding(VENUE, [START], one.ms), (), (), "odd", lambda: one.ms)
    one.published()
    assert one.found() == [("unclaimed", f"data/{FOLDERS['funding']}/{NAME}")]


@pytest.mark.parametrize("before", ["open_interest", "funding"])
def test_what_is_published_for_the_first_time_while_verify_reads_is_not_nobodys(before: str) -> None:
    one = World()
    list(write(one.tape, lambda: one.ms, "w", [VENUE], [before]))
    one.published()
    done: list[None] = []

    def published(call: str, path: str) -> None:
        if not done and call == "read" and path.startswith("perptape/coverage/"):
            done.append(None)
            writer = Tape(MemoryFileSystem(one.bucket, lambda: one.ms))
            list(write(writer, lambda: one.ms, "new", [VENUE, OTHER]))
            writer.publish(clock=lambda: 0.0, lease=False)

    assert Tape(MemoryFileSystem(one.bucket, lambda: one.ms, after=published)).verify() == []
    assert done


def test_a_file_that_cannot_be_read_or_is_elsewhere_is_not_found_a_second_time() -> None:
    one = World().written().without(f"perptape/coverage/{VENUE}/funding")
    for path in one.paths(f"data/{FOLDERS['funding']}/{NAME}"):
        one.bucket.objects[path] = (b"broken", "broken", one.ms)
    (path,) = one.paths(f"data/{FOLDERS['liquidations']}/{NAME}")[:1]
    one.bucket.objects[f"data/elsewhere/{NAME}/{path.rsplit('/')[-1]}"] = one.bucket.objects[path]
    assert {kind for kind, _ in one.found()} == {"unreadable"}


def test_where_coverage_cannot_be_read_that_alone_is_said() -> None:
    one = World().written()
    for path in one.paths(f"perptape/coverage/{VENUE}/funding"):
        one.bucket.objects[path] = (b"broken", "broken", one.ms)
    assert {kind for kind, _ in one.found()} == {"coverage"}


def test_what_is_known_to_be_lost_or_is_wanted_is_spoken_of() -> None:
    lost, wanted = Damage("A/B.BYBIT", START, START + DAY, START), Want("spec", "", "C.BYBIT", "settled", START, START)
    assert spoken_of(Coverage.of((), [wanted], [lost])) == {"AB.BYBIT", "C.BYBIT"}
