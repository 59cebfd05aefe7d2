"""A disk that can die or lose power at every step, a store that can be away, and the marks and rows that go through them."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
import structlog

from perptape.claims import Claim, Want
from perptape.collect.mark_rules import Rules
from perptape.collect.stream_batch import Batch
from perptape.datasets.liquidations import row
from perptape.errors import StoreError
from perptape.exchanges.registry import traits
from perptape.instruments import Instrument
from perptape.interval import NS
from perptape.raw import RawLiquidation
from perptape.store.log_record import Mark
from support.fake_exchange import FakeExchange, perpetual
from support.staged import LoopClock, Stage


class Killed(BaseException):
    """The process is dead: nothing it does from here on reaches anything."""


@dataclass
class Fate:
    """Numbers every side effect, and dies before or after one of them."""

    at: int | None = None
    after: bool = False
    count: int = 0
    dead: bool = False

    @contextmanager
    def step(self) -> Iterator[None]:
        if self.dead:
            raise Killed
        number, self.count = self.count, self.count + 1
        if number == self.at and not self.after:
            self.dead = True
            raise Killed
        yield
        if number == self.at and self.after:
            self.dead = True
            raise Killed


@dataclass
class MemoryDisk:
    """Files with a page cache. `synced` is what a loss of power leaves for certain."""

    fate: Fate = field(default_factory=Fate)
    files: dict[str, bytes] = field(default_factory=dict)
    dirs: set[str] = field(default_factory=lambda: {"/"})
    synced: dict[str, bytes] = field(default_factory=dict)
    pending: dict[str, list[tuple[int, bytes]]] = field(default_factory=dict)
    """What was written at an offset since the last fsync."""
    names: set[str] = field(default_factory=set)
    locks: set[str] = field(default_factory=set)
    room: int | None = None
    """Bytes that can still be written; None: any."""
    owned: bool = False
    """Whether what was allocated stays the file's, so that writing in it takes no room; else every write does, as where files are copied
    on write, or broken."""
    full: Collection[int] = ()
    """The numbers of the writes at which no more than `left` bytes fit; later ones fit again."""
    left: int = 0
    writes: int = 0
    refuses_sync: bool = False
    error: int = errno.ENOSPC
    """What the system says of an append that does not fit."""

    def read(self, path: str) -> bytes:
        if path not in self.files:
            raise FileNotFoundError(path)
        return self.files[path]

    def write(self, path: str, data: bytes) -> None:
        raise NotImplementedError

    def replace(self, source: str, target: str) -> None:
        """Until the folder is synced a loss of power may leave either name."""
        if source not in self.files:
            raise FileNotFoundError(source)
        with self.fate.step():
            self.files[target] = self.files.pop(source)
            if source in self.synced:
                self.synced[target] = self.synced[source]
            if source in self.pending:
                self.pending[target] = self.pending.pop(source)

    def append(self, path: str, data: bytes) -> None:
        self._written(path, len(self.files.get(path, b"")), data)

    def write_at(self, path: str, offset: int, data: bytes) -> None:
        if path not in self.files:
            raise FileNotFoundError(path)
        self._written(path, offset, data, owned=self.owned)

    def _written(self, path: str, offset: int, data: bytes, *, owned: bool = False) -> None:
        if os.path.dirname(path) not in self.dirs:
            raise FileNotFoundError(path)
        with self.fate.step():
            room = self.left if self.writes in self.full else None if owned else self.room
            self.writes += 1
            fits = data if room is None else data[:room]
            self.files[path] = _over(self.files.get(path, b""), offset, fits)
            self.pending.setdefault(path, []).append((offset, fits))
            if self.room is not None and not owned:
                self.room -= len(fits)
            if len(fits) < len(data):
                raise OSError(self.error, os.strerror(self.error))

    def allocate(self, path: str, size: int) -> None:
        if os.path.dirname(path) not in self.dirs:
            raise FileNotFoundError(path)
        with self.fate.step():
            if self.room is not None and size > self.room:
                raise OSError(self.error, os.strerror(self.error))
            self.files[path] = bytes(size)
            if self.room is not None:
                self.room -= size

    def read_at(self, path: str, offset: int, size: int) -> bytes:
        return self.read(path)[offset : offset + size]

    def fsync(self, path: str) -> None:
        with self.fate.step():
            if self.refuses_sync:
                raise OSError(28, "No space left on device")
            self.synced[path] = self.files[path]
            self.pending.pop(path, None)

    def fsync_dir(self, path: str) -> None:
        with self.fate.step():
            below = {one for one in [*self.files, *self.dirs] if os.path.dirname(one) == path}
            self.names = {one for one in self.names if os.path.dirname(one) != path} | below

    def truncate(self, path: str, size: int) -> None:
        if path not in self.files:
            raise FileNotFoundError(path)
        with self.fate.step():
            self.files[path] = self.files[path][:size]
            self.pending.pop(path, None)

    def unlink(self, path: str) -> None:
        if path not in self.files:
            raise FileNotFoundError(path)
        with self.fate.step():
            del self.files[path]

    def mkdir(self, path: str) -> None:
        if path in self.dirs:
            raise FileExistsError(path)
        with self.fate.step():
            self.dirs.add(path)

    def rmdir(self, path: str) -> None:
        if any(os.path.dirname(one) == path for one in self.files):
            raise OSError(39, "Directory not empty")
        with self.fate.step():
            self.dirs.discard(path)

    def isdir(self, path: str) -> bool:
        return path in self.dirs

    def folders(self, path: str) -> Sequence[str]:
        return sorted(os.path.basename(one) for one in self.dirs if os.path.dirname(one) == path and one != "/")

    def walk(self, path: str) -> Iterator[tuple[str, int, int]]:
        yield from ()

    @contextmanager
    def locked(self, path: str, *, wait: bool = True) -> Iterator[bool]:
        if os.path.dirname(path) not in self.dirs:
            raise FileNotFoundError(path)
        if path in self.locks:
            yield False
            return
        with self.fate.step():
            self.files.setdefault(path, b"")
        self.locks.add(path)
        try:
            yield True
        finally:
            self.locks.discard(path)

    def after_kill(self) -> MemoryDisk:
        """What the next process finds: all of the page cache."""
        return MemoryDisk(files=dict(self.files), dirs=set(self.dirs), synced=dict(self.synced), names=set(self.names))

    def after_power_loss(self, kept: str) -> MemoryDisk:
        """What the next process finds when power was lost. What was not synced is dropped, torn, zeroed or kept."""
        dirs = {one for one in self.dirs if one == "/" or one in self.names or kept == "kept"}
        files = {}
        for path, now in self.files.items():
            if os.path.dirname(path) in dirs and (path in self.names or kept == "kept"):
                files[path] = _survivor(self.synced.get(path, b""), now, self.pending.get(path, []), kept)
        if kept == "dropped":  # a removal that was not synced did not happen
            for path in self.names - set(self.files) - self.dirs:
                if path in self.synced and os.path.dirname(path) in self.names:
                    dirs.add(os.path.dirname(path))
                    files[path] = self.synced[path]
        return MemoryDisk(files=files, dirs=dirs, synced=dict(files), names={*files, *dirs})


def _survivor(synced: bytes, now: bytes, pending: Sequence[tuple[int, bytes]], kept: str) -> bytes:
    if kept == "dropped":
        return synced
    if kept == "kept":
        return now
    size = sum(len(data) for _, data in pending)
    left, found = size * 2 // 3, synced.ljust(len(now), b"\0")
    for offset, data in pending:
        part, left = data[:left], max(left - len(data), 0)
        found = _over(found, offset, part + (bytes(len(data) - len(part)) if kept == "zeroed" else b""))
    return found


def _over(data: bytes, offset: int, fresh: bytes) -> bytes:
    return data[:offset].ljust(offset, b"\0") + fresh + data[offset + len(fresh) :]


@dataclass
class Store:
    """The segments of a tape. The same name must always bring the same."""

    fate: Fate = field(default_factory=Fate)
    away: bool = False
    puts: int = 0
    segments: dict[str, tuple[Any, ...]] = field(default_factory=dict)

    def put(self, name: str, venue: str, dataset: str, rows: pa.Table, claims: tuple[Claim, ...], wants: tuple[Want, ...]) -> None:
        if self.away:
            raise StoreError("the store is away")
        with self.fate.step():
            self.puts += 1
            segment = (venue, dataset, rows.combine_chunks(), claims, wants)
            assert self.segments.setdefault(name, segment) == segment, f"{name} is another segment now"

    @property
    def rows(self) -> list[dict[str, Any]]:
        return [one for segment in self.segments.values() for one in segment[2].to_pylist()]

    @property
    def claims(self) -> list[Claim]:
        return [one for segment in self.segments.values() for one in segment[3]]

    @property
    def wants(self) -> list[Want]:
        return [one for segment in self.segments.values() for one in segment[4]]


def instrument(base: str = "BTC") -> Instrument:
    return Instrument("fake", f"{base}USDT-PERP.FAKE", f"{base}/USDT:USDT", f"{base}USDT", base, "USDT", "USDT", True, Decimal(1))


BTC = instrument().id
RULES = Rules((BTC,), push=2_000, quiet=10_000, kind="complete", basis="feed", market=True)


def event(time: int, price: str = "60000", base: str = "BTC") -> RawLiquidation:
    return RawLiquidation(instrument(base), time, "SELL", price, None, "0.5")


def liquidation(time: int, ordinal: int = 0) -> Any:
    """A row as a sink makes it, received 100 ms after the event."""
    return row(event(time), "base", ordinal, (time + 100) * NS)


def second(connection: str, time: int, *, rows: Sequence[int] = ()) -> Batch:
    """What a healthy connection says in one second: its control topic, its feed, and events at the given times."""
    return Batch([liquidation(one) for one in rows], [Mark("control", connection, time), Mark("feed", connection, time)])


class Inline:
    """A lane that runs what blocks at once."""

    def __init__(self, name: str) -> None:
        pass

    async def __call__(self, call: Callable[[], Any]) -> Any:
        return call()

    def close(self) -> None:
        pass


@dataclass
class Kit:
    """What tests of this folder are made of."""

    Killed = Killed
    Fate = Fate
    Disk = MemoryDisk
    Store = Store
    Inline = Inline
    BTC = BTC
    RULES = RULES
    instrument = staticmethod(instrument)
    event = staticmethod(event)
    liquidation = staticmethod(liquidation)
    second = staticmethod(second)


@pytest.fixture
def kit() -> Kit:
    return Kit()


@pytest.fixture
def stage(kit: Kit) -> Callable[..., Stage]:
    def make(venue: str = "binance") -> Stage:
        own = traits(venue)
        return Stage(FakeExchange(own, [perpetual(own)], clock=LoopClock()), kit.Disk(), kit.Store())  # type: ignore[arg-type]

    return make


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Log lines are for people; here thousands of processes die."""
    structlog.configure(processors=[_dropped])
    yield
    structlog.reset_defaults()


def _dropped(logger: Any, method: str, event: Any) -> Any:
    raise structlog.DropEvent
