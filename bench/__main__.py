"""Measures what is promised: `python -m bench [NAME]… [--option…]` runs all benches but the long ones, or the named.
Each has a process of its own; options are handed to the benches as they are: `python -m bench NAME --help` tells which.

Ends with a table of every figure that has a limit, and exits 1 when one is over it. No test suite depends on that.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from bench.measure import children_cpu

HERE = Path(__file__).resolve().parent
BENCHES = ("start", "fill", "marks", "burst", "write", "query", "kills", "operator", "active")
LONG = ("fuzz", "soak", "outage", "streamers", "adopt")
"""Only where they are named."""
FILES = {"operator": "specs.py", "fuzz": "fuzzing.py"}
"""Where a file of the bench's name would hide a module of the standard library."""
FIGURE = re.compile(
    r"^  (?P<name>.+?): (?P<value>\S+) ?(?P<unit>.*?), limit (?P<limit>.+?), ratio (?P<ratio>\S+?)(?P<over>  over(?: here)?)?(?: \(|$)"
)
"""A line of `measure.against`."""


@dataclass(frozen=True, slots=True)
class Bench:
    """What a bench printed that has a limit, and how it ended."""

    name: str
    figures: tuple[re.Match[str], ...]
    code: int
    seconds: float
    others: float
    """The share of this machine's CPU time that went to other processes meanwhile: where it is not near 0, times are too long."""


def measured(name: str, options: list[str]) -> Bench:
    began, before = time.monotonic(), (busy(), children_cpu())
    process = subprocess.Popen(
        [sys.executable, "-u", str(HERE / FILES.get(name, f"{name}.py")), *options], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    figures = []
    for line in process.stdout:
        say(line.rstrip("\n"))
        figures += [found] if (found := FIGURE.match(line)) else []
    code, seconds = process.wait(), time.monotonic() - began
    others = (busy() - before[0] - (children_cpu() - before[1])) / (seconds * (os.cpu_count() or 1))
    return Bench(name, tuple(figures), code, seconds, max(0.0, others))


def busy() -> float:
    """CPU seconds that anybody used since boot; nan where there is no /proc/stat."""
    try:
        user, nice, system, _, _, irq, soft = map(int, Path("/proc/stat").read_text().split()[1:8])
    except OSError:
        return float("nan")
    return (user + nice + system + irq + soft) / os.sysconf("SC_CLK_TCK")


def table(benches: list[Bench]) -> list[str]:
    rows = [("bench", "figure", "measured", "limit", "ratio", "")]
    for bench in benches:
        for one in bench.figures:
            rows.append(
                (bench.name, one["name"], f"{one['value']} {one['unit']}".strip(), one["limit"], one["ratio"], (one["over"] or "").strip())
            )
    widths = [max(len(row[column]) for row in rows) for column in range(6)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main() -> int:
    first = next((place for place, one in enumerate(sys.argv) if one.startswith("--")), len(sys.argv))
    names, options = sys.argv[1:first] or list(BENCHES), sys.argv[first:]
    if "--help" in options and first == 1:
        say(f"{__doc__}\nBenches: {', '.join(BENCHES)}; where they are named: {', '.join(LONG)}.")
        return 0
    if wrong := [name for name in names if name not in BENCHES + LONG]:
        sys.stderr.write(f"no bench {', '.join(wrong)}: one of {', '.join(BENCHES + LONG)}\n")
        return 2
    done = []
    for name in names:
        say(f"== {name}, {time.strftime('%Y-%m-%d %H:%M', time.gmtime())} UTC, load {os.getloadavg()[0]:.1f}")
        done.append(measured(name, options))
        verdict = "within its limits" if done[-1].code == 0 else f"over or failed (exit {done[-1].code})"
        say(f"== {name}: {verdict}, {done[-1].seconds:.0f} s, other processes took {done[-1].others:.0%} of the CPUs\n")
    say("\n".join(table(done)))
    over = [bench.name for bench in done if bench.code]
    say(f"\nover or failed: {', '.join(over)}" if over else "\nall within their limits")
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())
