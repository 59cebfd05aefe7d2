"""What real NautilusTrader makes of a catalog: every dataset of every instrument, loaded by the library in its own environment.

`load(root, form, storage)` takes any catalog, so it judges the tests' own files and those of `perptape run` alike.
"""

import json
import os
import re
import subprocess
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import fsspec

from support.minio import Minio
from support.nautilus_envs import ROOT, environment
from support.nautilus_golden import DIRECTORIES

SCRIPTS = ROOT / "tests/nautilus/scripts"
DATASETS = {
    "OpenInterest": "open_interest",
    "FundingRateUpdate": "funding",
    "FundingPrediction": "funding_prediction",
    "Liquidation": "liquidations",
}


@dataclass(frozen=True, slots=True)
class Loaded:
    """One dataset of one instrument, as the library returned it."""

    count: int
    first: dict[str, Any] | None
    last: dict[str, Any] | None
    missing: list[list[int]] = field(default_factory=list)
    """What `get_missing_intervals_for_request` says of the time that the files' names span."""
    in_order: bool = True


def nanoseconds(stamp: str) -> int:
    day, time = stamp.removesuffix("Z").split("T")
    hour, minute, second, nanos = time.split("-")
    whole = datetime.fromisoformat(f"{day}T{hour}:{minute}:{second}").replace(tzinfo=UTC)
    return int(whole.timestamp()) * 10**9 + int(nanos)


def contents(root: str, form: str, minio: Minio | None) -> list[dict[str, Any]]:
    """Every dataset and instrument that is there, with the time that its files' names span."""
    files = fsspec.filesystem("s3", **minio.s3fs_options()) if minio else fsspec.filesystem("file")
    base = root.removeprefix("s3://").rstrip("/")
    spans: dict[tuple[str, str], list[int]] = {}
    for kind, directory in DIRECTORIES[form].items():
        for path in files.glob(f"{base}/data/{directory}/*/*.parquet"):
            instrument, name = path.split("/")[-2:]
            stamps = [nanoseconds(stamp) for stamp in re.findall(r"[^_]+Z", name)]
            spans.setdefault((kind, instrument), []).extend(stamps)
    return [
        {"kind": kind, "instrument": instrument, "start": min(stamps), "end": max(stamps)}
        for (kind, instrument), stamps in sorted(spans.items())
    ]


def script(form: str, name: str, request: dict[str, Any], cwd: Path = ROOT) -> Any:
    """The answer of a script of tests/nautilus/scripts in the environment of that format: JSON in, JSON out."""
    python = environment(form, dict(os.environ))
    done = subprocess.run(
        [python, SCRIPTS / name],
        input=json.dumps(request),
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT / "worker"), "PYTHONDONTWRITEBYTECODE": "1"},
    )
    if done.returncode:
        raise RuntimeError(f"{name} failed in {python}:\n{done.stdout[-2000:]}{done.stderr[-6000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def load(root: Path | str, form: str, minio: Minio | None = None) -> dict[str, dict[str, Loaded]]:
    """Dataset -> instrument -> what the library loaded; `root` is a folder, or `s3://bucket/prefix` with the server that has it."""
    asked = contents(str(root), form, minio)
    storage = {"s3fs": minio.s3fs_options(), "object_store": minio.object_store_options()} if minio else None
    answers = script(form, f"load_{form}.py", {"root": str(root), "storage": storage, "contents": asked})
    loaded: dict[str, dict[str, Loaded]] = {}
    for question, answer in zip(asked, answers, strict=True):
        loaded.setdefault(DATASETS[question["kind"]], {})[question["instrument"]] = Loaded(**answer)
    return loaded


def paid_funding(root: Path | str, instrument: str, marks: dict[int, Decimal], side: str, minio: Minio | None = None) -> dict[str, Any]:
    """What a 2.x backtest that holds one unit all along (`side`: long or short) pays: `gained` in USDT, and the rates that it was shown.

    `marks`: the settlements to hold through (ns) and the mark price just before each.
    """
    request = {
        "root": str(root),
        "storage": {"object_store": minio.object_store_options()} if minio else None,
        "instrument": instrument,
        "long": side == "long",
        "marks": {str(at): str(price) for at, price in marks.items()},
    }
    answer: dict[str, Any] = script("nautilus2", "funding_nautilus2.py", request)
    return answer
