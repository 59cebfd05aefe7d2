"""What a stream's log says, record by record, as bytes: length, checksum, kind, payload.

Pure. Whoever reads the records from the beginning knows all that the process knew which wrote them. A torn end is recognised
and measured, never guessed at. Times are ms on the venue's clock.
"""

from __future__ import annotations

import base64
import json
import struct
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import pyarrow as pa

from perptape.claims import Want
from perptape.errors import Newer

VERSION = 2
READABLE = (1, VERSION)
NEWER = "a newer perptape wrote it"
HEAD = struct.Struct("<IIc")  # length of the payload, crc32 over kind and payload, kind

MarkKind = Literal["acknowledged", "control", "feed", "malformed", "closed", "dropped"]


@dataclass(frozen=True, slots=True)
class Begun:
    """The first record: whose log this is and by which rules its marks become claims."""

    log: str
    venue: str
    dataset: str
    opened: int
    since: Mapping[str, int]
    """Instrument -> the time up to which an earlier log has said everything; from there nobody listened."""
    rules: Mapping[str, Any]
    schema: pa.Schema
    store: str | None
    """The store that this log's segments are for (`FileSystem.identity`), and the origin of its data; None in version 1, which did
    not say."""
    origin: str | None


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose logs these are: a store (`FileSystem.identity`), for as long as it holds data of this origin."""

    store: str = ""
    origin: str = ""

    def owns(self, head: Begun) -> bool:
        """Whether a log may be brought into this store. One of version 1 does not say, and belongs where it lies."""
        return (head.store, head.origin) in ((self.store, self.origin), (None, None))


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that a connection proved at a time.

    `dropped`: events before `time` were not kept, for the cause in `text`, and connections count anew from their next
    acknowledgement. `malformed`: a frame, in `text`, was not understood.
    """

    kind: MarkKind
    connection: str
    time: int
    topic: str = ""
    """Of a feed's mark: the instrument whose own topic spoke; empty for a topic of the whole market."""
    text: str = ""


@dataclass(frozen=True, slots=True)
class Marks:
    marks: tuple[Mark, ...]


@dataclass(frozen=True, slots=True)
class Events:
    """Rows of the dataset's schema, with the ordinals that were counted at receipt."""

    rows: pa.RecordBatch


@dataclass(frozen=True, slots=True)
class Rolled:
    """Everything of records `first` to `end` (exclusive) is in the segment `name`, or will be."""

    first: int
    end: int
    name: str
    time: int
    wants: tuple[Want, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Confirmed:
    """The store has the segment."""

    name: str


@dataclass(frozen=True, slots=True)
class Closed:
    """Nothing follows but confirmations, and what is behind the last roll where a version before this one closed all the same."""


@dataclass(frozen=True, slots=True)
class Lost:
    """In the place of records that were durable and cannot be read; nobody knows how many, or of which kind. It is never written."""


Record = Begun | Marks | Events | Rolled | Confirmed | Closed


def encode(record: Record, at: int | None = None) -> bytes:
    """The record's bytes, whole. `at`: where they stand in a log whose space is used again; the checksum holds there only, so that
    nothing is taken for a record which stood in that place before."""
    kind, payload = _encoded(record)
    return HEAD.pack(len(payload), checksum(kind, payload, at), kind) + payload


def checksum(kind: bytes, payload: bytes | memoryview, at: int | None) -> int:
    """Of a record of this kind that stands at `at` (None: in a log that grows)."""
    place = 0 if at is None else zlib.crc32(at.to_bytes(8, "little"))
    return zlib.crc32(payload, zlib.crc32(kind, place))


def _encoded(record: Record) -> tuple[bytes, bytes]:
    match record:
        case Events(rows):
            return b"E", rows.serialize().to_pybytes()
        case Marks(marks):
            return b"M", _json([[m.kind, m.connection, m.time, m.topic, m.text] for m in marks])
        case Rolled():
            return b"R", _json(asdict(record))
        case Confirmed(name):
            return b"C", _json(name)
        case Closed():
            return b"X", b""
        case Begun():
            said = {name: getattr(record, name) for name in ("log", "venue", "dataset", "opened", "store", "origin")}
            schema = base64.b64encode(record.schema.serialize().to_pybytes()).decode()
            more = {"since": dict(record.since), "rules": dict(record.rules), "schema": schema, "version": VERSION}
            return b"B", _json(said | more)


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def decoded(kind: bytes, payload: bytes, schema: pa.Schema | None) -> Record:
    """The record of this kind. `schema`: of the rows, as the log's beginning says. Raises Newer for a log that a newer perptape wrote."""
    if kind not in b"EMRCXB":
        raise Newer(NEWER)
    if kind == b"E":
        return Events(pa.ipc.read_record_batch(pa.py_buffer(payload), schema))
    said: Any = json.loads(payload) if payload else None
    match kind:
        case b"M":
            return Marks(tuple(Mark(*one) for one in said))
        case b"R":
            return Rolled(**said | {"wants": tuple(Want(**want) for want in said["wants"])})
        case b"C":
            return Confirmed(said)
        case b"X":
            return Closed()
        case b"B" if said.pop("version") in READABLE:
            schema = pa.ipc.read_schema(pa.py_buffer(base64.b64decode(said["schema"])))
            return Begun(**{"store": None, "origin": None} | said | {"schema": schema})
    raise Newer(NEWER)
