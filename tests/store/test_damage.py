"""Broken objects, full disks, newer writers: nothing committed is lost in silence, nothing half-written is read, and it is said."""

import errno
from pathlib import Path

import pytest

from perptape.claims import STREAM, Claim, Want, join
from perptape.collect.report import of_coverage
from perptape.errors import FormatConflict, Newer, OriginConflict, StoreError, UsageError
from perptape.exchanges.registry import VENUES as VENUES_KNOWN
from perptape.exchanges.registry import traits
from perptape.interval import DAY, HOUR, MINUTE, NS, Interval, gaps
from perptape.standing import PUBLISHED_WITHIN
from perptape.store.coverage import Sayings, encode_coverage
from perptape.store.folder import Folder
from perptape.store.layout import iso
from perptape.store.parquet import encode
from perptape.store.rebuild import claims_of_rows
from perptape.store.tape import Tape
from support.storage import Bucket, MemoryFileSystem, Operation, RecordingDisk
from support.tapes import START, VENUES, funding, liquidations, missing, name_of, open_interest, waves, write

VENUE = "binance"
NAME = name_of(VENUE)


class World:
    """One tape in memory, all of it written and published by hours that go by when told."""

    def __init__(self, *kinds: str) -> None:
        self.ms, self.bucket = 20_010 * DAY, Bucket()
        self.tape = Tape(MemoryFileSystem(self.bucket, lambda: self.ms))
        self.done = list(write(self.tape, lambda: self.ms, "w", [VENUE], kinds or ("open_interest",)))

    def publish(self, hours: int = 0, **options: object) -> list[str]:
        """What the reports say went wrong."""
        self.ms += hours * HOUR
        reports = self.tape.publish(clock=lambda: 0.0, lease=False, **options)  # type: ignore[arg-type]
        return [line for r in reports for line in (*r.damaged, *([r.error] if r.error else []))]

    def paths(self, start: str) -> list[str]:
        return sorted(p for p in self.bucket.objects if p.startswith(start))

    def break_(self, path: str, data: bytes | None = None) -> None:
        old, _, at = self.bucket.objects[path]
        middle = len(old) // 3
        self.bucket.objects[path] = (old[:middle] + b"\xff\x00\xff" + old[middle + 3 :] if data is None else data, "broken", at)


@pytest.mark.parametrize("how", [None, b"", b"PAR1 cut"])
def test_a_broken_data_file_is_kept_aside_and_what_it_held_is_asked_for_again(how: bytes | None) -> None:
    one = World()
    assert one.publish() == []
    assert one.publish(hours=2) == []
    assert one.paths("perptape/segments/binance/open_interest") == []
    path = one.paths("data")[0]
    broken = one.bucket.objects[path][0] if how is None else how
    one.break_(path, how)
    broken = one.bucket.objects[path][0]
    times = [t for wave in waves("open_interest") for t in wave if t < START + DAY - 65 * MINUTE]
    assert [f.kind for f in one.tape.verify()] == ["unreadable"]
    assert any(path in line for line in one.publish(hours=1, touched=[path]))
    assert broken in [one.bucket.objects[p][0] for p in one.paths("perptape/quarantine") if p.endswith(".bytes")]
    coverage = one.tape.coverage(VENUE, "open_interest")
    assert coverage.damage
    assert not [c for c in coverage.claims for t in times if t in c.span]
    assert one.tape.verify() == []
    again = [Claim(NAME, "1h", "complete", t, t + HOUR, "", one.ms + DAY, one.ms + DAY) for t in times]
    one.tape.commit(VENUE, "open_interest", open_interest(VENUE, times, one.ms), again, (), "x", lambda: one.ms)
    one.publish()
    assert missing(one.tape, one.done) == []
    assert one.tape.verify() == []


def test_after_damage_to_todays_file_a_stream_that_goes_on_is_believed() -> None:
    one = World()
    name, day = name_of(VENUE), one.ms

    def streamed(start: int, end: int) -> None:
        times = list(range(start, end, MINUTE))
        said = [Claim(name, "stream", "live", start, end, "feed", start, end)]
        one.tape.commit(VENUE, "liquidations", liquidations(VENUE, times, end), said, (), f"at{end}", lambda: one.ms)

    def known() -> list[tuple[int, int]]:
        return [(c.start - day, c.end - day) for c in one.tape.coverage(VENUE, "liquidations").of_grid(name, "stream")]

    streamed(day - HOUR, day)
    streamed(day, day + HOUR)
    one.publish(hours=1)
    one.publish(hours=2)
    assert one.paths("perptape/segments/binance/liquidations") == []
    assert known() == [(-HOUR, 0), (0, HOUR)]
    (path,) = one.paths(f"data/custom_liquidation/{name}/{iso(day * NS)[:10]}")
    one.break_(path)
    assert any(path in line for line in one.publish(touched=[path]))
    streamed(day + 3 * HOUR, day + 4 * HOUR)
    one.publish(hours=1)
    one.publish(hours=2)
    assert one.paths("perptape/segments/binance/liquidations") == []
    assert known() == [(-HOUR, 0), (3 * HOUR, 4 * HOUR)]
    assert one.tape.verify() == []


def test_a_broken_data_file_that_segments_still_hold_is_repaired_by_the_join() -> None:
    one = World()
    one.publish()
    path = one.paths("data")[0]
    one.break_(path)
    assert any(path in line for line in one.publish())
    assert one.tape.read("open_interest", [NAME]).num_rows == len({t for wave in waves("open_interest") for t in wave})
    assert one.tape.verify() == []


def test_a_broken_segment_claims_nothing_is_kept_aside_and_the_rest_goes_on() -> None:
    one = World()
    first, second = one.paths("perptape/segments/binance/open_interest")
    one.break_(first)
    assert any(first in line for line in one.publish())
    assert one.paths("perptape/quarantine")
    assert missing(one.tape, one.done[1:]) == []
    claimed = {t for c in one.tape.coverage(VENUE, "open_interest").claims for t in waves("open_interest")[0] if t in c.span}
    assert claimed == set(waves("open_interest")[0]) & set(waves("open_interest")[1])
    assert second in one.paths("perptape/segments/binance/open_interest")


def test_a_broken_coverage_file_is_said_and_every_other_counts() -> None:
    one = World()
    one.publish()
    more = Claim(NAME, "1h", "asked", START - HOUR, START, "", 1, 1)
    one.tape.commit(VENUE, "open_interest", None, [more], (), "x", lambda: one.ms)
    one.publish(hours=2)
    one.publish(hours=2)
    first, *rest = one.paths("perptape/coverage/binance/open_interest")
    assert rest
    one.break_(first)
    known = one.tape.known(VENUE, "open_interest")
    assert known.coverage.trusted
    assert more.instrument in {c.instrument for c in known.coverage.claims if c.kind == "asked"}
    assert any(first in line for line in known.unreadable)
    assert missing(one.tape, one.done) == []


def test_with_no_coverage_left_grids_are_rebuilt_and_stream_time_is_unproven_and_it_is_said() -> None:
    one = World("open_interest", "funding", "liquidations")
    one.publish()
    one.publish(hours=2)
    for path in one.paths("perptape/coverage"):
        one.break_(path)
    for dataset in ("open_interest", "funding", "liquidations"):
        known = one.tape.known(VENUE, dataset)
        assert not known.coverage.trusted
        assert any("rebuilt from rows" in line for line in known.unreadable)
    assert missing(one.tape, [d for d in one.done if d[1] != "liquidations"]) == []
    streams = one.tape.coverage(VENUE, "liquidations").claims
    assert {(c.kind, c.basis) for c in streams} == {("live", "connection")}
    one.publish()
    assert {c.basis for c in one.tape.coverage(VENUE, "liquidations").claims} == {"connection"}


def test_with_no_coverage_left_the_stream_time_of_a_lost_file_is_unproven_and_stays_in_sight() -> None:
    one = World("liquidations")
    one.publish()
    one.publish(hours=2)
    first = one.paths("data")[0]
    one.break_(first, b"")
    assert any(first in line for line in one.publish(touched=[first]))
    for path in one.paths("perptape/coverage"):
        one.break_(path)

    def unproven() -> list[Interval]:
        coverage = one.tape.coverage(VENUE, "liquidations")
        (shown,) = of_coverage(VENUE, "liquidations", coverage, (), one.ms)
        (lost,) = (record.over(STREAM) for record in coverage.damage)
        found = [hole for hole, _ in shown.holes("unproven")]
        assert lost
        assert list(gaps([lost], found)) == []
        return found

    found = unproven()
    one.publish(hours=2)
    assert unproven() == found, "of the coverage that is written then"
    wanted = Want("spec", "session", NAME, STREAM, one.ms, one.ms + HOUR, one.ms + HOUR)
    one.tape.commit(VENUE, "liquidations", None, (), [wanted], "x", lambda: one.ms)
    one.publish(hours=2)
    assert unproven() == found, "whatever is wanted since"


def test_a_row_that_came_before_its_slot_was_published_proves_nothing_when_claims_are_rebuilt() -> None:
    times = [START + k * HOUR for k in range(4)]
    after = START + 4 * HOUR + PUBLISHED_WITHIN  # when the last of them is certainly as it stays
    for received, proven in ((after, 4), (after - 1, 3), (after - HOUR, 3), (START + HOUR, 0)):
        claims = join(claims_of_rows("open_interest", open_interest(VENUE, times, received), ()))
        assert [(c.grid, c.start, c.end) for c in claims] == ([("1h", START, START + proven * HOUR)] if proven else [])
    at = START + 8 * HOUR
    for received, end in ((at + 2 * PUBLISHED_WITHIN, at + 1), (at + MINUTE, at + MINUTE - PUBLISHED_WITHIN)):
        (claim,) = claims_of_rows("funding", funding(VENUE, [at], received), ())
        assert claim.span == Interval(START, end)
    sample = open_interest(VENUE, [START + MINUTE], START + MINUTE).set_column(5, "period_minutes", [[0]])
    (claim,) = claims_of_rows("open_interest", sample, ["sample/5m"])  # one is all that its slot ever gets
    assert claim.span == Interval(START, START + 5 * MINUTE)


def test_no_venue_publishes_later_than_a_rebuilt_claim_allows_for() -> None:
    for venue in VENUES_KNOWN:
        found = traits(venue)
        histories = [one for one in (found.open_interest_history, found.funding_history) if one is not None]
        assert max(one.publication_delay for one in histories) <= PUBLISHED_WITHIN


def test_before_the_first_coverage_file_nothing_is_rebuilt() -> None:
    one = World()
    one.publish()
    for path in one.paths("perptape/coverage"):
        del one.bucket.objects[path]
    known = one.tape.known(VENUE, "open_interest")
    assert known.coverage.trusted
    assert known.unreadable == ()


def test_a_flipped_bit_in_a_claim_is_noticed() -> None:
    one = World()
    path = one.paths("perptape/segments/binance/open_interest")[0]
    data = one.bucket.objects[path][0]
    assert data.count(b'"complete"') >= 1
    one.break_(path, data.replace(b'"complete"', b'"complexe"'))
    assert any(path in line for line in one.tape.known(VENUE, "open_interest").unreadable)


def test_what_a_newer_perptape_wrote_is_left_alone() -> None:
    one = World("open_interest", "funding")
    path = "perptape/segments/binance/open_interest/20241014T000000000Z-new-0.parquet"
    newer = encode(open_interest(VENUE, [START], 1).replace_schema_metadata({}), {"perptape.version": "2"})
    one.bucket.objects[path] = (newer, "n", one.ms)
    said = one.publish()
    assert len(said) == 1
    assert "newer perptape" in said[0]
    assert not [p for p in one.paths("data") if "open_interest" in p]
    assert [p for p in one.paths("data") if "funding" in p]
    one.bucket.objects["perptape/store.json"] = (b'{"version": 2, "format": "nautilus1", "origin": "live"}', "n", 0)
    with pytest.raises(Newer):
        Tape(one.tape.fs).prepare("live", "nautilus1")


def test_a_store_of_another_origin_or_format_is_refused_before_anything_is_written() -> None:
    one = World()
    before = dict(one.bucket.objects)
    with pytest.raises(OriginConflict, match="live"):
        Tape(one.tape.fs).prepare("simulated:7", "nautilus1")
    with pytest.raises(FormatConflict, match="nautilus1"):
        Tape(one.tape.fs).prepare("live", "nautilus2")
    assert one.bucket.objects == before


def test_a_value_that_the_venue_changed_afterwards_is_kept_once_before_it_is_replaced() -> None:
    one = World()
    one.publish()
    changed = open_interest(VENUE, [START], one.ms + 1, value=9.0)
    one.tape.commit(VENUE, "open_interest", changed, (), (), "x", lambda: one.ms)
    reports = one.tape.publish(lease=False)
    assert sum(r.revised for r in reports) == 1
    assert sum(r.revised for r in one.tape.publish(lease=False)) == 0
    assert len(one.paths("perptape/revisions")) == 1
    assert one.tape.read("open_interest", [NAME], START, START + 1)["oi_contracts"].to_pylist() == [9.0]
    one.publish(hours=2)
    assert one.paths("perptape/segments/binance/open_interest") == []


def test_superseded_coverage_goes_when_it_is_old_and_eight_are_kept() -> None:
    one = World("funding")
    for number in range(12):
        claim = Claim(NAME, "settled", "complete", START + number * DAY, START + (number + 1) * DAY, "", 1, 1)
        one.tape.commit(VENUE, "funding", None, [claim], (), f"x{number}", lambda: one.ms)
        one.publish(hours=2)
    one.publish(hours=2)
    assert len(one.paths("perptape/coverage/binance/funding")) == 8
    assert missing(one.tape, one.done) == []


@pytest.mark.slow
@pytest.mark.parametrize("rebirth", [False, True])
def test_a_full_disk_at_any_write_leaves_nothing_half_written_and_the_next_run_completes(rebirth: bool) -> None:
    count = 0
    while True:
        seen = 0

        def full(operation: Operation, count: int = count) -> None:
            nonlocal seen
            if operation.name in ("write", "append", "mkdir"):
                seen += 1
                if count <= seen <= count + 2 * rebirth:
                    raise OSError(errno.ENOSPC, "No space left on device")

        disk = RecordingDisk(lambda: 20_010 * DAY, full)
        tape, failed = Tape(Folder("/home/tape", disk)), False
        try:
            done = list(write(tape, lambda: 20_010 * DAY, "w", [VENUE], ["open_interest"]))
            failed = any(r.error for r in tape.publish(clock=lambda: 0.0, lease=False))
        except StoreError as error:
            failed = "the disk is full" in str(error)
        if not failed and seen < count:
            break
        later = Tape(Folder("/home/tape", disk))
        disk._fault = lambda operation: None
        assert later.verify() == []
        done = list(write(later, lambda: 20_010 * DAY, "again", [VENUE], ["open_interest"]))
        assert [r.error for r in later.publish(clock=lambda: 0.0, lease=False) if r.error] == []
        assert missing(later, done) == []
        assert later.verify() == []
        count += 4
    assert count > 20


def test_a_place_that_cannot_be_a_catalog_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="name another"):
        Tape.open(str(tmp_path / "file")).prepare("live", "nautilus1")
    with pytest.raises(StoreError, match=r"not allowed|name another|cannot"):
        Tape.open("/proc/tape").prepare("live", "nautilus1")
    with pytest.raises(UsageError, match="s3://bucket/prefix"):
        Tape.open("ftp://somewhere")


def test_verify_finds_what_is_wrong_with_data_files() -> None:
    one = World("open_interest", "funding")
    one.publish()
    place = one.paths("data/custom_open_interest")[0]
    folder = place.rsplit("/", 1)[0]
    one.bucket.objects[f"{folder}/.tmp_x.parquet"] = (b"", "s", 0)
    data = one.bucket.objects[place][0]
    half = f"{folder}/2024-10-04T00-00-00-000000000Z_2024-10-04T11-59-59-999999999Z.parquet"
    one.bucket.objects[half] = (data, "s", 0)
    coverage = "perptape/coverage/binance/open_interest/20301231T000000000Z-z.parquet"
    lie = Sayings((Claim(NAME, "1h", "complete", START + 9 * DAY, START + 9 * DAY + HOUR, "", 1, 1),))
    one.bucket.objects[coverage] = (bytes(encode_coverage(lie)), "s", 0)
    assert {f.kind for f in one.tape.verify()} == {"stray", "overlap", "unreadable"}, "its rows are of other times than its name"
    one.bucket.objects[half.replace("04T11-59-59", "04T23-58-59")] = one.bucket.objects.pop(half)
    assert {f.kind for f in one.tape.verify()} == {"stray", "overlap", "name", "claim"}


def test_publishing_touches_only_the_venues_asked_for() -> None:
    one = World()
    list(write(one.tape, lambda: one.ms, "v", VENUES[1:], ["open_interest"]))
    assert {r.venue for r in one.tape.publish(venues=["okx"], lease=False)} == {"okx"}
    assert one.tape.venues() == ("binance", "bybit", "okx")
