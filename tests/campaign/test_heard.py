"""What the campaign's judge takes for proof that time was listened to."""

from campaign.feed import MALFORMED, Connection
from campaign.heard import listening, proving
from campaign.process import Process
from perptape.interval import Interval


def _connection(heard, died=None, ended_well=False):
    process = Process("streamer0-0", None, None)
    process.died, process.ended_well = died, ended_well
    return Connection("one", process, 0.0, ("A", "B"), heard=heard)


def test_a_connection_listens_while_its_control_topic_speaks():
    one = _connection([(10.0, None), (20.0, None), (20.0, "A"), (100.0, None), (110.0, None)])
    assert listening([one], "A", 1_000, 5.0) == (Interval(11_000, 21_000), Interval(101_000, 111_000))
    assert listening([one], "C", 1_000, 5.0) == ()


def test_a_feed_proves_what_is_between_two_of_its_words_which_are_not_too_far_apart():
    one = _connection([(10.0, "A"), (50.0, "B"), (100.0, "A"), (300.0, "A"), (350.0, "A")])
    assert proving([one], "A", 0, 5.0, market=False, quiet=100) == (Interval(10_000, 100_000), Interval(300_000, 350_000))
    assert proving([one], "B", 0, 5.0, market=False, quiet=100) == ()
    assert proving([one], "B", 0, 5.0, market=True, quiet=100) == ()  # nobody spoke for the whole market


def test_what_cannot_be_read_proves_nothing_of_any_topic():
    one = _connection([(10.0, "A"), (20.0, "A"), (25.0, MALFORMED), (30.0, "A"), (40.0, "A")])
    assert proving([one], "A", 0, 5.0, market=False, quiet=100) == (Interval(10_000, 20_000), Interval(30_000, 40_000))


def test_what_a_process_had_not_written_dies_with_it():
    heard = [(10.0, None), (20.0, None), (30.0, None)]
    assert listening([_connection(heard, died=32.0)], "A", 0, 5.0) == (Interval(10_000, 20_000),)
    assert listening([_connection(heard, died=32.0, ended_well=True)], "A", 0, 5.0) == (Interval(10_000, 30_000),)
