"""Reading a tape inside the cluster, as a user does: a pod with the worker's image, in which `perptape` is called."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from support.namespace import Namespace
from support.workloads import pod, restricted

STAY = "import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit()); signal.pause()"


@dataclass(frozen=True, slots=True)
class Reader:
    """A pod that can reach the tape."""

    namespace: Namespace
    name: str

    def perptape(self, *arguments: str) -> str:
        """What the command prints."""
        return self.namespace.kubectl("exec", self.name, "--", "perptape", *arguments)

    def rows(self, what: str, symbol: str, venue: str) -> list[dict[str, Any]]:
        """Every row of one instrument, by `perptape query`."""
        found: list[dict[str, Any]] = json.loads(self.perptape("query", what, symbol, "-e", venue, "-n", "0", "-f", "json"))
        return found

    def open_interest(self, symbol: str, venue: str) -> dict[int, float]:
        """Base coins by the stamp of each bucket in ms; each stamp once."""
        return _by_time(self.rows("oi", symbol, venue), "oi_base")

    def funding(self, symbol: str, venue: str) -> dict[int, float]:
        """Settled rates by the minute at which they were settled."""
        return {round(time / 60_000) * 60_000: rate for time, rate in _by_time(self.rows("funding", symbol, venue), "rate").items()}

    def standing(self, dataset: str, venue: str) -> list[dict[str, Any]]:
        """What `perptape status` says, one line for each grid of each instrument."""
        lines: list[dict[str, Any]] = json.loads(self.perptape("status", "-f", "json"))
        return [line for line in lines if (line["dataset"], line["venue"]) == (dataset, venue)]

    def sound(self) -> None:
        """Has the whole tape verified: order, duplicates, hashes, claims against rows."""
        self.perptape("verify")


def ms(time: str) -> int:
    """An ISO time in ms."""
    return round(datetime.fromisoformat(time).timestamp() * 1000)


def _by_time(rows: list[dict[str, Any]], value: str) -> dict[int, float]:
    found = {ms(row["ts_event"]): float(row[value]) for row in rows}
    assert len(found) == len(rows), "a time is there twice"
    return found


def of_claim(namespace: Namespace, claim: str) -> Reader:
    """A pod that mounts a volume claim, on the node where its volume is."""
    name = f"read-{claim}"
    volumes = [{"name": "tape", "persistentVolumeClaim": {"claimName": claim}}]
    mounts = [{"name": "tape", "mountPath": "/tape"}]
    return _made(namespace, name, [{"name": "PERPTAPE_CATALOG", "value": "/tape"}], volumes=volumes, mounts=mounts)


def of_bucket(namespace: Namespace, s3: dict[str, Any], prefix: str = "") -> Reader:
    """A pod with the keys of the namespace's S3 server."""
    keys = [
        {"name": key, "valueFrom": {"secretKeyRef": {"name": "s3", "key": key}}} for key in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    ]
    place = {
        "PERPTAPE_CATALOG": f"s3://{s3['bucket']}/{prefix}".rstrip("/"),
        "AWS_ENDPOINT_URL": s3["endpoint"],
        "AWS_REGION": s3["region"],
    }
    return _made(namespace, f"read-{s3['bucket']}", [*keys, *({"name": key, "value": value} for key, value in place.items())])


def _made(namespace: Namespace, name: str, env: list[dict[str, Any]], **container: Any) -> Reader:
    spec = restricted(namespace.images.worker, ["-c", STAY], command=["python"], env=env, **container)
    namespace.apply(pod(name, spec))
    namespace.wait(f"pod/{name}", "condition=Ready")
    return Reader(namespace, name)
