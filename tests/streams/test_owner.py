"""Which logs a tape has: in itself or on this machine, told apart by store and origin."""

from pathlib import Path

from perptape.cli import venue_calls
from perptape.collect.streams import adopted
from perptape.store.location import StoreOptions, filesystem
from perptape.store.log_place import logs_of
from perptape.store.log_record import Owner
from perptape.store.tape import Tape
from support.storage import Bucket, MemoryFileSystem


def distant(origin: str | None) -> Tape:
    tape = Tape(MemoryFileSystem(Bucket(), lambda: 0))
    if origin is not None:
        tape.prepare(origin, "nautilus1")
    return tape


def test_the_logs_of_a_folder_are_in_it_and_go_where_it_goes(tmp_path: Path) -> None:
    tape = Tape.open(str(tmp_path / "tape"))
    tape.prepare("live", "nautilus1")
    logs = logs_of(tape, None)
    assert logs is not None
    assert logs.root == str(tmp_path / "tape" / "perptape" / "log")
    (tmp_path / "tape").rename(tmp_path / "moved")
    moved = logs_of(Tape.open(str(tmp_path / "moved")), None)
    assert moved is not None
    assert moved.owner == logs.owner == Owner("", "live")


def test_the_logs_of_a_distant_store_are_in_the_state_folder_and_know_whose_they_are(tmp_path: Path) -> None:
    live, simulated = (logs_of(distant(origin), str(tmp_path)) for origin in ("live", "simulated:7"))
    assert live is not None
    assert simulated is not None
    assert live.root == simulated.root
    assert live.root.startswith(f"{tmp_path}/log/")
    assert (live.owner, simulated.owner) == (Owner("memory", "live"), Owner("memory", "simulated:7"))


def test_without_a_folder_for_it_or_before_the_store_is_made_there_is_no_log(tmp_path: Path) -> None:
    assert logs_of(distant("live"), None) is None
    assert logs_of(distant(None), str(tmp_path)) is None
    assert adopted(distant("live"), None, venue_calls.environment()).logs == 0


def test_the_same_bucket_at_two_endpoints_is_two_stores() -> None:
    one, two = (filesystem("s3://tape/prod", StoreOptions(endpoint=f"http://{host}:9000", key="k", secret="s")) for host in "ab")
    assert one.location == two.location
    assert one.identity != two.identity
