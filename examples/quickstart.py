"""What `make quickstart` does: simulated venues, a week of their history, half a minute of their streams, and what the tape then holds.

Only runs `perptape` commands, each of which it prints, so that every step can be repeated by hand. Standard library only.
"""

import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SPEC = Path("examples/quickstart.yaml")
TAPE = "./tape"
READY_WITHIN = 60.0
PERPTAPE = (sys.executable, "-m", "perptape")
DATASETS = ("open_interest", "funding", "funding_prediction", "liquidations")
HELD = (
    "SELECT dataset, split_part(instrument_id, '.', 2) AS venue, count(*) AS rows, "
    "make_timestamp_ns(min(ts_event)) AS first, make_timestamp_ns(max(ts_event)) AS last FROM ("
    + " UNION ALL ".join(f"SELECT '{name}' AS dataset, instrument_id, ts_event FROM {name}" for name in DATASETS)
    + ") GROUP BY ALL ORDER BY ALL"
)
"""What was collected, in one table."""
PUBLISH = "(the run above has published by itself, since it was one that stays; after `run --once` this makes data/)"
NEXT = f"""
The tape is in {TAPE}: its data/ is a catalog that NautilusTrader, DuckDB and Polars read as it is.
  look    .venv/bin/perptape query oi BTCUSDT-PERP --catalog {TAPE}      .venv/bin/perptape gaps --catalog {TAPE}
  live    .venv/bin/perptape run {SPEC} --live                 the same file, the real exchanges, into ./tape-live
  again   .venv/bin/perptape run {SPEC} --once                 .venv/bin/perptape verify {SPEC}
          (both ask the simulated venues, which have stopped: `.venv/bin/perptape simulate` in another terminal serves them where the file
          looks for them, on ports 18101 to 18105)
  cluster kubectl apply -f {SPEC}                              the same file again, its endpoint lines removed
"""


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def step(environ: dict[str, str], *arguments: str, remark: str = "") -> None:
    """One command, shown and run. Ends everything when it fails."""
    say(f"\n$ perptape {shlex.join(arguments)}{remark and f'        {remark}'}")
    done = subprocess.run([*PERPTAPE, *arguments], env=environ, cwd=ROOT, check=False)
    if done.returncode:
        raise SystemExit(f"quickstart: that ended with {done.returncode}; the lines above say why")


def endpoints(ready: Path, simulator: "subprocess.Popen[bytes]") -> dict[str, str]:
    """Where the simulated venues are, once they are."""
    until = time.monotonic() + READY_WITHIN
    while time.monotonic() < until:
        if ready.exists():
            return {f"PERPTAPE_{venue.upper()}_ENDPOINT": url for venue, url in json.loads(ready.read_text()).items()}
        if simulator.poll() is not None:
            raise SystemExit("quickstart: the simulated venues did not start; the lines above say why")
        time.sleep(0.05)
    raise SystemExit(f"quickstart: the simulated venues were not ready within {READY_WITHIN:.0f} s")


def main() -> None:
    """Leaves nothing running, however it ends."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory() as folder:
        ready = Path(folder) / "endpoints.json"
        say("$ perptape simulate --port 0        (five venues on free ports of this machine)")
        simulator = subprocess.Popen(
            [*PERPTAPE, "simulate", "--port", "0", "--ready-file", str(ready)], stdout=subprocess.DEVNULL, cwd=ROOT
        )
        try:
            environ = {**os.environ, **endpoints(ready, simulator), "PERPTAPE_LOG_LEVEL": os.environ.get("PERPTAPE_LOG_LEVEL", "warning")}
            step(environ, "run", str(SPEC), "--once", "--catalog", TAPE)
            step(environ, "run", str(SPEC), "--deadline", "30s", "--catalog", TAPE)
            step(environ, "publish", "--catalog", TAPE, remark=PUBLISH)
            step(environ, "sql", HELD, "--catalog", TAPE)
            step(environ, "status", "--catalog", TAPE)
        finally:
            simulator.terminate()
            try:
                simulator.wait(10)
            except subprocess.TimeoutExpired:
                simulator.kill()
    say(NEXT.rstrip())


if __name__ == "__main__":
    main()
