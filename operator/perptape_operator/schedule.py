"""When things run: spread by a stable hash, never on the full hour, and how long each may take. Pure."""

import hashlib
from typing import Final

from perptape_api.durations import Duration, Every

MINUTE_MS: Final = 60_000
LEAST_BUDGET_S: Final = 45
MOST_BUDGET_S: Final = 15 * 60
PUBLISH_BUDGET_S: Final = 20 * 60  # no publisher writes later than that (tape.md §3)
VERIFY_BUDGET_S: Final = 60 * 60
GRACE_S: Final = 120
"""What a Job gets beyond its time budget: scheduling, the image, a clean end."""
STUCK_AFTER_S: Final = 60
"""A Job that is not finished so long after its deadline hangs on a dead node."""
STARTING_DEADLINE_S: Final = 200
LONGEST_DELAY_S: Final = 30


def seed(*parts: str) -> int:
    """A number that depends on the parts alone, the same in every process and for ever."""
    return int.from_bytes(hashlib.sha256("/".join(parts).encode()).digest()[:8], "big")


def cron(every: Every, chance: int) -> str:
    """The cron line that runs once per `every`, where in it `chance` picks; never at a full hour, where all others are."""
    minutes = every.ms // MINUTE_MS
    if minutes == 1:
        return "* * * * *"
    if minutes < 60:
        start = 1 + chance % (minutes - 1)
        return f"{start}-59/{minutes} * * * *" if minutes < 30 else ",".join(str(start + n) for n in range(0, 60, minutes)) + " * * * *"
    minute, hours = 1 + chance % 59, minutes // 60
    first = chance // 59 % hours
    hour = "*" if hours == 1 else str(first) if hours == 24 else f"{first}-23/{hours}"
    return f"{minute} {hour} * * *"


def time_budget_s(every: Duration) -> int:
    """How long a scheduled fetch may take, its waits included."""
    return max(LEAST_BUDGET_S, min(MOST_BUDGET_S, every.ms * 8 // 10 // 1000))


def start_delay_s(every: Duration, chance: int) -> int:
    """How long a run started by cron sleeps first: cron knows whole minutes only, and one minute's runs share an address."""
    return chance // 7919 % (1 + min(LONGEST_DELAY_S, time_budget_s(every) // 4))
