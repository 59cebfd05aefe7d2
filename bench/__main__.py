"""Measures what is promised: `python -m bench [NAME]…` runs all benches or the named, each in a process of its own.

Exits 1 when a figure is over its limit. No test suite depends on that.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
BENCHES = ("start", "fill", "marks", "burst", "write", "query", "kills")


def main() -> int:
    names = sys.argv[1:] or list(BENCHES)
    if wrong := [name for name in names if name not in BENCHES]:
        sys.stderr.write(f"no bench {', '.join(wrong)}: one of {', '.join(BENCHES)}\n")
        return 2
    over = []
    for name in names:
        began = time.monotonic()
        sys.stdout.write(f"== {name}, {time.strftime('%Y-%m-%d %H:%M')} UTC{time.strftime('%z')}, load {os.getloadavg()[0]:.1f}\n")
        sys.stdout.flush()
        code = subprocess.run([sys.executable, str(HERE / f"{name}.py")], check=False).returncode
        over += [name] if code else []
        sys.stdout.write(f"== {name}: {'over' if code else 'within'} its limits, took {time.monotonic() - began:.0f} s\n\n")
    sys.stdout.write(f"over: {', '.join(over)}\n" if over else "all within their limits\n")
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())
