"""A log's records out of bytes."""

from __future__ import annotations

from perptape.store.log_read import Records
from perptape.store.log_record import Record


def decode(data: bytes, at: int | None = None) -> tuple[list[Record], int]:
    """(the whole records, how many bytes they take). `at`: where the data stands in a log whose space is used again."""
    start = at or 0
    records = Records.found(lambda position, size: data[position - start : position - start + size], start, placed=at is not None)
    return list(records), records.end - start
