"""What a dataset is: its columns, its natural key, which of two equal keys wins, and how a data file of it looks.

Pure. Rows live in Arrow tables of `Dataset.schema`; joining tables is commutative, associative and idempotent, because the winner
follows from the rows alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

from perptape.interval import EARLIEST, LATEST

Format = Literal["nautilus1", "nautilus2"]
FORMATS: tuple[Format, ...] = ("nautilus1", "nautilus2")
TIMES = (pa.field("ts_received", pa.int64(), False), pa.field("ts_event", pa.int64(), False), pa.field("ts_init", pa.int64(), False))
UTC = pa.timestamp("ns", tz="UTC")


LARGEST = 100
"""The decimal exponent beyond which nothing is an amount: products and quotients of what is left are floats and never overflow."""


class Invalid(ValueError):
    """A value of a venue that cannot be a row: the message names the field and why."""


def is_text(value: str) -> bool:
    """Whether it is text at all: JSON can write half of a character (``\\ud800``), which no file can hold."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class Dataset:
    """One kind of row. Times are int64 ns in `schema`; data files hold what the catalog format wants."""

    name: str
    class_name: str
    directories: tuple[str, str]
    """Below ``data/``: of nautilus1, of nautilus2."""
    span: Literal["day", "month"]
    """The UTC span of `ts_init` that one data file holds."""
    schema: pa.Schema
    key: Callable[[pa.Table], list[Any]]
    """The natural key as columns (beside `instrument_id`)."""
    prefer: Callable[[pa.Table], list[Any]]
    """Columns of which, of equal keys, the least wins (in this order); ties fall to the larger tuple of values."""
    sent: tuple[str, ...]
    """The columns that hold what the venue sent: a row that lost and differs in one of them was revised."""
    to_file: Callable[[pa.Table, Format, str], pa.Table]
    """(rows of one instrument, format, instrument id) -> the data file's table."""
    from_file: Callable[[pa.Table, str], pa.Table]
    """(a data file's table, instrument id) -> rows, of either format."""

    def directory(self, layout: Format) -> str:
        return self.directories[FORMATS.index(layout)]

    def empty(self) -> pa.Table:
        return self.schema.empty_table()

    def table(self, rows: Sequence[Sequence[Any]]) -> pa.Table:
        """Rows given as tuples in the schema's order -> a table."""
        if not rows:
            return self.empty()
        columns = zip(*rows, strict=True)
        return pa.Table.from_arrays([pa.array(c, f.type) for c, f in zip(columns, self.schema, strict=True)], schema=self.schema)


def schema_of(*columns: pa.Field) -> pa.Schema:
    """instrument_id, the columns, then the three times, in this order."""
    return pa.schema([pa.field("instrument_id", pa.string(), False), *columns, *TIMES])


def join(dataset: Dataset, tables: Sequence[pa.Table]) -> pa.Table:
    """The union by natural key, sorted by instrument, ts_init and key; of equal keys one whole row is kept."""
    return joined(dataset, tables)[0]


def joined(dataset: Dataset, tables: Sequence[pa.Table]) -> tuple[pa.Table, pa.Table]:
    """(the join, the rows that lost though the venue's own values differ from the winner's)."""
    table = pa.concat_tables([t.select(dataset.schema.names) for t in tables]) if tables else dataset.empty()
    if table.num_rows < 2:
        return table, table.slice(0, 0)
    keys = _keys(dataset, table)
    if _strictly_ascending(keys):
        return table, table.slice(0, 0)
    order = pc.sort_indices(_named(keys), sort_keys=[(name, "ascending") for name in _names(keys)])
    table, keys = table.take(order), [k.take(order) for k in keys]
    fresh = _first_of_group(keys)
    if pc.all(fresh).as_py():
        return table, table.slice(0, 0)
    return _resolved(dataset, table, fresh)


def _keys(dataset: Dataset, table: pa.Table) -> list[Any]:
    """What rows are in order of: the instrument (as a rank), ts_init, and the rest of the natural key."""
    names = _flat(table["instrument_id"]).dictionary_encode()
    ranks = names.indices
    if len(names.dictionary) > 1:
        ranks = pc.rank(names.dictionary, sort_keys="ascending", tiebreaker="dense").take(ranks)
    return [ranks, *(_flat(column) for column in (table["ts_init"], *dataset.key(table)))]


def _flat(column: Any) -> Any:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _names(keys: Sequence[Any]) -> list[str]:
    return [f"k{i}" for i in range(len(keys))]


def _named(keys: Sequence[Any]) -> pa.Table:
    return pa.Table.from_arrays(list(keys), names=_names(keys))


def _differ(a: Any, b: Any) -> Any:
    """For each place of two columns whether they differ there (null equals null)."""
    different = pc.not_equal(a, b)
    if a.null_count == 0 and b.null_count == 0:
        return different
    return pc.or_(pc.fill_null(different, False), pc.xor(pc.is_null(a), pc.is_null(b)))


def _first_of_group(keys: Sequence[Any]) -> Any:
    """For each row in order whether it is the first with its keys."""
    n = len(keys[0])
    changed = None
    for column in keys:
        if column.null_count < n:  # else it is everywhere the same
            different = _differ(column.slice(1), column.slice(0, n - 1))
            changed = different if changed is None else pc.or_(changed, different)
    return pa.concat_arrays([pa.array([True]), changed])


def _strictly_ascending(keys: Sequence[Any]) -> bool:
    """Whether rows are in order of (instrument, ts_init) with no equal pair: then nothing can be a duplicate.

    Only the two leading columns are looked at, which is all that a long fill needs; anything else is sorted.
    """
    first, second = keys[0], keys[1]
    n = len(first)
    a, b = first.slice(0, n - 1), first.slice(1)
    c, d = second.slice(0, n - 1), second.slice(1)
    ok = pc.or_(pc.less(a, b), pc.and_(pc.equal(a, b), pc.less(c, d)))
    return bool(pc.all(ok).as_py())


def _resolved(dataset: Dataset, table: pa.Table, fresh: Any) -> tuple[pa.Table, pa.Table]:
    """Of a table in order of its keys, whose groups begin where it is `fresh`: the winners, and the losers that were revised."""
    group = pc.cumulative_sum(pc.cast(fresh, pa.int64()))
    ranks = [_flat(column) for column in dataset.prefer(table)]
    ranked = pa.Table.from_arrays([group, *ranks, *table.columns], names=["_group", *_names(ranks), *table.schema.names])
    ascending = [(name, "ascending") for name in ("_group", *_names(ranks))]
    order = pc.sort_indices(ranked, sort_keys=[*ascending, *((name, "descending") for name in table.schema.names)])
    table = table.take(order)  # the groups are where they were, each with its winner first
    winners, losers = pc.indices_nonzero(fresh), pc.indices_nonzero(pc.invert(fresh))
    beaten_by = winners.take(pc.subtract(group.take(losers), 1))
    revised = pa.repeat(False, len(losers))
    for name in dataset.sent:
        column = _flat(table[name])
        revised = pc.or_(revised, _differ(column.take(losers), column.take(beaten_by)))
    return table.take(winners), table.take(losers.filter(revised))


def kept_time(value: int | None, field: str = "time") -> int:
    """A venue's time in ms. Raises Invalid where it gave none, or one that no row can hold: it would keep its whole batch out."""
    if value is None or (type(value) is int and value <= 0):
        raise Invalid(f"{field}: the venue gave none")
    if type(value) is not int or not EARLIEST <= value < LATEST:
        raise Invalid(f"{field}: {str(value)[:40]!r} is none that can be kept")
    return value


def number(value: Any, field: str, *, negative: bool = False) -> Decimal | None:
    """A venue's number, exact. None and "" are None; NaN, infinities, junk and (unless allowed) negatives raise Invalid."""
    if value is None or value == "":
        return None
    if not isinstance(value, str | int | float | Decimal):
        raise Invalid(f"{field}: a {type(value).__name__} is not a number")
    try:
        parsed = Decimal(value if type(value) is str else str(value))
    except InvalidOperation:
        raise Invalid(f"{field}: {str(value)[:40]!r} is not a number") from None
    if not parsed.is_finite():
        raise Invalid(f"{field}: {value} is not finite")
    if parsed and abs(parsed.adjusted()) > LARGEST:
        raise Invalid(f"{field}: {str(value)[:40]} is no amount of anything")
    if not negative and parsed.is_signed() and parsed < 0:
        raise Invalid(f"{field}: {value} is negative")
    return parsed


def as_float(value: Decimal | None) -> float | None:
    return None if value is None else float(value)


def plain(value: Decimal) -> str:
    """A decimal without an exponent: ``0.0001``, never ``1E-4``."""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def custom_to_file(class_name: str) -> Callable[[pa.Table, Format, str], pa.Table]:
    """How a custom class' rows look in a data file (facts: Nautilus 1.x reads uint64 times, 2.x only timestamp[ns, UTC])."""

    def to_file(rows: pa.Table, layout: Format, instrument: str) -> pa.Table:
        time = pa.uint64() if layout == "nautilus1" else UTC
        fields = [f.with_type(time) if f.name in ("ts_event", "ts_init") else f for f in rows.schema]
        out = rows.cast(pa.schema(fields))
        if layout == "nautilus2":
            text = f'{{"type_name":"{class_name}","metadata":null,"identifier":"{instrument}"}}'
            out = out.append_column(pa.field("data_type", pa.string()), pa.repeat(pa.scalar(text), rows.num_rows))
        return out.replace_schema_metadata({"type_name": class_name})

    return to_file


def custom_from_file(schema: pa.Schema) -> Callable[[pa.Table, str], pa.Table]:
    """The inverse of `custom_to_file`, for either format."""

    def from_file(table: pa.Table, instrument: str) -> pa.Table:
        return table.select(schema.names).cast(schema)

    return from_file
