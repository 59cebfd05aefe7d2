"""Tables as durable bytes and back: the encodings, chosen by measured bytes per row, and what counts as unreadable.

Pure. Pages carry checksums and are checked when read, so that a flipped bit is damage and never a wrong row.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from perptape.errors import Newer, StoreError

VERSION = 1
"""Of segments and coverage files; one that is greater was written by a newer perptape."""
_VERSION_KEY = "perptape.version"


class Unreadable(StoreError):
    """The bytes are not what was written."""


class Unencodable(StoreError):
    """No file can hold these rows."""


def encode(table: pa.Table, metadata: Mapping[str, str] | None = None, *, statistics: bool | list[str] = False) -> bytes:
    """Parquet bytes: of a data file, or with `metadata` (and our version beside it) of an object of ours. Raises Unencodable."""
    with writable("rows"):
        return _encoded(table, metadata, statistics)


@contextmanager
def writable(what: str) -> Iterator[None]:
    """What Arrow cannot turn into a file raises Unencodable."""
    try:
        yield
    except pa.ArrowException as error:
        raise Unencodable(f"{what} cannot be written: {first_line(error)}") from error


def _encoded(table: pa.Table, metadata: Mapping[str, str] | None, statistics: bool | list[str]) -> bytes:
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(
        sink,
        table.schema,
        compression={f.name: "zstd" if _compresses(f) else "none" for f in table.schema},
        use_dictionary=[f.name for f in table.schema if _repeats(f.type)],
        column_encoding={f.name: _encoding(f.type) for f in table.schema if not _repeats(f.type)},
        write_statistics=statistics,
        write_page_checksum=True,
        store_schema=metadata is None,
    ) as writer:
        writer.write_table(table)
        if metadata is not None:
            writer.add_key_value_metadata({_VERSION_KEY: str(VERSION), **metadata})
    return memoryview(sink.getvalue())  # type: ignore[return-value]


def _repeats(kind: Any) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_binary(kind) or pa.types.is_nested(kind) or pa.types.is_boolean(kind))


_FEW_VALUES = ("instrument_id", "instrument", "source_unit", "side", "position_side", "grid", "kind")


def _compresses(field: Any) -> bool:
    """zstd where it saves bytes. Integers packed by difference and short dictionaries gain nothing, and each column costs 30 us to open."""
    return bool(pa.types.is_floating(field.type) or (_repeats(field.type) and field.name not in _FEW_VALUES))


def _encoding(kind: Any) -> str:
    if pa.types.is_floating(kind):
        return "BYTE_STREAM_SPLIT"
    if pa.types.is_integer(kind) and kind.bit_width < 32:
        return "PLAIN"
    return "DELTA_BINARY_PACKED"


def decode(data: bytes, path: str, columns: list[str] | None = None) -> pa.Table:
    """The table of a data file. Raises Unreadable."""
    try:
        with pq.ParquetFile(pa.BufferReader(data), page_checksum_verification=True, pre_buffer=False) as file:
            return file.read(columns, use_threads=False)
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        raise Unreadable(f"{path} cannot be read: {first_line(error)}") from error


def decode_own(data: bytes, path: str) -> tuple[pa.Table, dict[str, str]]:
    """(the table, its metadata) of an object of ours. Raises Newer, which is looked at first, and Unreadable."""
    with opened_own(data, path) as (file, metadata):
        return rows_of_own(file), metadata


@contextmanager
def opened_own(data: bytes, path: str) -> Iterator[tuple[pq.ParquetFile, dict[str, str]]]:
    """(an object of ours, its rows not read yet; its metadata). What Arrow raises inside is Unreadable. Raises Newer and Unreadable."""
    try:
        with pq.ParquetFile(pa.BufferReader(data), page_checksum_verification=True, pre_buffer=False) as file:
            metadata = {key.decode(): value.decode() for key, value in (file.metadata.metadata or {}).items()}
            version = int(metadata[_VERSION_KEY])
            if version > VERSION:
                raise Newer(f"{path} was written by a newer perptape (version {version}): use that one here")
            yield file, metadata
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        raise Unreadable(f"{path} cannot be read: {first_line(error)}") from error


def rows_of_own(file: pq.ParquetFile, *, rows: bool = True) -> pa.Table:
    """Its table; rows=False: one of no rows, by the footer alone."""
    table = file.read(use_threads=False) if rows else file.schema_arrow.empty_table()
    return table.replace_schema_metadata(None)


def checked(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """An object of ours in its schema. Raises ArrowException, KeyError and ValueError where it is another, or holds what no row may."""
    fit = table
    if not table.schema.equals(schema, check_metadata=True):
        fit = table.select(schema.names).cast(schema)  # a null where there must be a value is refused here
    fit.validate(full=True)
    return fit


def whole(table: pa.Table) -> pa.Table:
    """The table, where there is a value in each place that needs one. Raises ValueError."""
    for field, column in zip(table.schema, table.columns, strict=True):
        if not field.nullable and column.null_count:
            raise ValueError(f"{field.name}: null where there must be a value")
    return table


def first_line(error: BaseException) -> str:
    """What an error says, short enough for a line."""
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
