"""Waiting for what a test expects, by the cluster's own watch: nothing sleeps, and what was seen last is said when it does not come."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Any

from support.kube import Cluster

Object = dict[str, Any]


class NotSeen(AssertionError):
    """What was waited for did not come in time."""


AGAIN_S = 1.0


@contextmanager
def _running(cluster: Cluster, within: float, arguments: list[str]) -> Iterator[IO[str]]:
    """What a kubectl prints that does not end by itself, for so long."""
    process = subprocess.Popen(
        ["kubectl", "--context", cluster.context, *arguments],
        env=cluster.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    end = threading.Timer(within, process.kill)
    end.start()
    try:
        assert process.stdout is not None
        yield process.stdout
    finally:
        end.cancel()
        process.kill()
        process.wait()


def _seen(cluster: Cluster, within: float, arguments: list[str]) -> Iterator[Object]:
    """The object after each change, empty where it is gone, for so long. A watch that the server ends is begun anew."""
    end = time.monotonic() + within
    while (left := end - time.monotonic()) > 0:
        with _running(cluster, left, [*arguments, "--watch", "--output-watch-events", "--output", "json"]) as lines:
            for printed in lines:  # one event each
                event = json.loads(printed)
                if event["type"] == "ERROR":
                    break
                yield event["object"] if event["type"] != "DELETED" else {}
        time.sleep(min(AGAIN_S, max(0.0, end - time.monotonic())))


def until(cluster: Cluster, namespace: str, kind: str, name: str, holds: Callable[[Object], object], within: float = 120) -> Object:
    """The object as soon as `holds` does of it. It need not be there yet. Raises NotSeen with the object as it was last."""
    last: Object = {}
    for last in _seen(cluster, within, ["--namespace", namespace, "get", kind, "--field-selector", f"metadata.name={name}"]):
        if last and holds(last):
            return last
    said = json.dumps(last.get("status"), indent=1) if last else "it is not there"
    raise NotSeen(f"{kind} {name} in {namespace}: not as expected after {within:g} s; its status is\n{said}")


def until_logged(cluster: Cluster, namespace: str, what: str, *said: str, within: float = 120) -> None:
    """Comes back once the log of a pod, which need not be there yet, has these texts, each in a line after that of the one before.
    Raises NotSeen with the last line."""
    end = time.monotonic() + within
    last = ""
    while (left := end - time.monotonic()) > 0:
        wanted = list(said)
        with _running(cluster, left, ["--namespace", namespace, "logs", what, "--follow", "--tail=-1"]) as lines:
            for last in lines:
                if wanted[0] in last and not (wanted := wanted[1:]):
                    return
        time.sleep(min(AGAIN_S, max(0.0, end - time.monotonic())))
    raise NotSeen(f"{what} in {namespace} did not say {said} within {within:g} s; its last line is\n{last}")
