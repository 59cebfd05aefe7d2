"""What the second layer of the campaign takes for a good end of a process."""

import signal

import pytest

from campaign.l2.life import BORN, well


@pytest.mark.parametrize(
    ("code", "age", "good"),
    [
        (0, None, True),
        (1, 20.0, True),
        (3, 20.0, True),
        (2, 20.0, False),
        (-signal.SIGTERM, 0.1, True),
        (-signal.SIGTERM, BORN, False),
        (-signal.SIGTERM, None, False),
        (-signal.SIGKILL, 0.1, False),
    ],
)
def test_only_one_just_born_may_be_ended_by_the_signal_itself(code: int, age: float | None, good: bool) -> None:
    assert well(code, age) == good
