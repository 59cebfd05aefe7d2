"""The process from which `support.forked` has commands forked: all that they import is imported here, once.

A line of JSON on its socket, with three descriptors, is one command: a child of a child becomes it, and the child waits for that and
tells how it ended. When nobody holds the other end of the socket any more, this process ends too.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import os
import pkgutil
import resource
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any

LEFT_OUT = ("perptape.nautilus", "perptape.__main__")
"""What needs NautilusTrader, or is a command itself."""
CLIENTS = ("async_support", "pro")


def imported() -> None:
    """Imports perptape, and what it would import by itself when it needs it, in the order in which it does."""
    import perptape
    from perptape.exchanges._ccxt_lite import exchange_class
    from perptape.exchanges.registry import VENUES
    from perptape.logs import structured

    structured()
    for venue in VENUES:
        name = importlib.import_module(f"perptape.exchanges.{venue}").CCXT
        for package in CLIENTS:
            exchange_class(package, name)
    for module in pkgutil.walk_packages(perptape.__path__, "perptape."):
        if not module.name.startswith(LEFT_OUT):
            importlib.import_module(module.name)


def asked(asking: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """The next command with its descriptors; leaves when there will be none."""
    said, handed, _, _ = socket.recv_fds(asking, 1 << 16, 3)
    if not said:
        sys.exit()
    while not said.endswith(b"\n"):
        said += asking.recv(1 << 16)
    return json.loads(said), handed


def serve(asking: socket.socket) -> dict[str, Any]:
    """Forks for each command. Returns it in its own process."""
    while True:
        command, (out, err, told) = asked(asking)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                continue
        if os.fork() == 0:
            asking.close()
            child = os.fork()
            if child == 0:
                os.close(told)
                become(command, out, err)
                return command
            wait(child, told)
        for one in (out, err, told):
            os.close(one)


def wait(child: int, told: int) -> None:
    """Says which process it is and how it ended, and leaves."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for other in set(map(int, os.listdir("/dev/fd"))) - {told}:
        with contextlib.suppress(OSError):
            os.close(other)
    os.write(told, b"%d\n" % child)
    _, status = os.waitpid(child, 0)
    os.write(told, b"%d\n" % os.waitstatus_to_exitcode(status))
    os._exit(0)


def become(command: dict[str, Any], out: int, err: int) -> None:
    """Takes the descriptors, the folder, the environment and the limit that the command is to have."""
    for mine, given in ((1, out), (2, err)):
        os.dup2(given, mine)
        os.close(given)
    sys.stdout, sys.stderr = (os.fdopen(number, "w", size, closefd=False) for number, size in ((1, -1), (2, 1)))
    os.chdir(command["folder"])
    os.environ.clear()
    os.environ.update(command["environ"])
    if command["largest"] is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (command["largest"], resource.RLIM_INFINITY))


def carried_out(module: str, arguments: list[str]) -> None:
    """The command, and the end of its process: as of any, but for the taking apart of modules, which takes longer than most commands."""
    if module != "perptape.cli":
        sys.path.insert(0, str(Path(__file__).parents[1]))
    try:
        importlib.import_module(module).main(arguments, started=time.monotonic())
    except SystemExit as end:
        threading._shutdown()
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(end.code if isinstance(end.code, int) else 1)


if __name__ == "__main__":
    imported()
    gc.collect()
    gc.freeze()
    command = serve(socket.socket(fileno=int(sys.argv[1])))
    sys.argv = ["perptape", *command["arguments"]]
    carried_out(command["main"], command["arguments"])
