"""`perptape` commands as processes that are forked from one that has imported everything (`support.forking`).

Starting costs milliseconds instead of a second of work. They are real processes in every other way: with an environment, a folder,
descriptors and limits of their own, killed and told to end by their number, and with nothing of the test's process in them. What a
start from nothing takes and does is for the tests of the start: `support.simulator` has `anew` for them.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path

TAKING = threading.Lock()


class Forked:
    """A command under way, as `subprocess.Popen` shows one whose output is text, in pipes.

    `folder`: where it works. `largest`: the bytes that a file of it may have (a full disk). `log`: takes its output instead.
    `main`: the module whose `main` it is.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        environ: Mapping[str, str],
        folder: Path,
        *,
        largest: int | None = None,
        log: Path | None = None,
        main: str = "perptape.cli",
    ) -> None:
        self.args = list(arguments)
        self.returncode: int | None = None
        out, to_out = _pipe(log)
        err, to_err = _pipe(log)
        self._told, telling = os.pipe()
        self.stdout, self.stderr = open(out), open(err)  # noqa: SIM115 - as long as this
        self._reading: list[Future[str]] = []
        command = {"arguments": self.args, "environ": dict(environ), "folder": str(folder), "largest": largest, "main": main}
        with TAKING:
            socket.send_fds(_forking(), [json.dumps(command).encode() + b"\n"], [to_out, to_err, telling])
        for one in (to_out, to_err, telling):
            os.close(one)
        self.pid = int(self._line())

    def _line(self) -> bytes:
        said = b""
        while not said.endswith(b"\n"):
            more = os.read(self._told, 64)
            if not more:
                raise RuntimeError("the process that commands are forked from is gone")
            said += more
        return said

    def poll(self) -> int | None:
        """How it ended; None while it goes on."""
        return self._ended(0)

    def wait(self, timeout: float | None = None) -> int:
        """How it ended. Raises TimeoutExpired."""
        found = self._ended(timeout)
        if found is None:
            assert timeout is not None
            raise subprocess.TimeoutExpired(self.args, timeout)
        return found

    def _ended(self, timeout: float | None) -> int | None:
        if self.returncode is None and select.select([self._told], [], [], timeout)[0]:
            self.returncode = int(self._line())
            os.close(self._told)
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """All that it has still to say, at its end. Raises TimeoutExpired, after which it may be called again."""
        end = None if timeout is None else time.monotonic() + timeout
        if not self._reading:
            pool = ThreadPoolExecutor(2)
            self._reading = [pool.submit(stream.read) for stream in (self.stdout, self.stderr)]
            pool.shutdown(wait=False)
        if wait(self._reading, timeout).not_done:
            assert timeout is not None
            raise subprocess.TimeoutExpired(self.args, timeout)
        self.wait(None if end is None else max(0.0, end - time.monotonic()))
        out, err = (one.result() for one in self._reading)
        self.stdout.close()
        self.stderr.close()
        return out, err

    def send_signal(self, number: int) -> None:
        """Nothing to one that has ended."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def _pipe(log: Path | None) -> tuple[int, int]:
    """Two ends to read and write; of a file where there is one."""
    if log is None:
        return os.pipe()
    return os.open(log, os.O_RDONLY | os.O_CREAT), os.open(log, os.O_WRONLY | os.O_APPEND)


@functools.cache
def _forking() -> socket.socket:
    """The socket of this process' own one, which ends with it."""
    mine, its = socket.socketpair()
    with its:
        command = [sys.executable, str(Path(__file__).with_name("forking.py")), str(its.fileno())]
        process = subprocess.Popen(command, pass_fds=[its.fileno()], stdin=subprocess.DEVNULL)

    def end() -> None:
        mine.close()
        process.wait()

    atexit.register(end)
    return mine
