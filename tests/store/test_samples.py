"""What audits sample is kept beside the tape for a while."""

import pytest

from perptape.datasets import DATASETS
from perptape.interval import DAY, NS
from perptape.store.tape import Tape

OI = DATASETS["open_interest"]
NOW = 1_800_000_000_000


def sample(time):
    return OI.table([("BTCUSDT-PERP.BINANCE", 1.0, 1.0, None, "base", 0, NOW * NS, time * NS, time * NS)])


@pytest.fixture
def tape(tmp_path):
    opened = Tape.open(str(tmp_path))
    opened.prepare("live", "nautilus1")
    return opened


def keep(tape, time, since=0):
    tape.keep_sample("binance", "open_interest", sample(time), "me", lambda: time, since)


def test_samples_are_no_part_of_the_data(tape):
    keep(tape, NOW)
    keep(tape, NOW + 1)
    assert sorted(time // NS for time in tape.samples("binance", "open_interest")["ts_event"].to_pylist()) == [NOW, NOW + 1]
    assert not tape.samples("bybit", "open_interest").num_rows
    assert not tape.every_row("open_interest").num_rows
    assert tape.datasets() == ()
    assert (tape.publish(), tape.verify()) == ([], [])
    assert tape.samples("binance", "open_interest").num_rows == 2


def test_old_samples_go_when_another_is_kept_and_one_that_cannot_be_read_is_none(tape, tmp_path):
    keep(tape, NOW - 31 * DAY)
    keep(tape, NOW - 29 * DAY)
    keep(tape, NOW, since=NOW - 30 * DAY)
    kept = sorted((tmp_path / "perptape/samples/binance/open_interest").iterdir())
    assert len(kept) == 2
    kept[0].write_bytes(b"PAR1")
    assert [time // NS for time in tape.samples("binance", "open_interest")["ts_event"].to_pylist()] == [NOW]
