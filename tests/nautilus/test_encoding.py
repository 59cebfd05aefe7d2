"""What perptape writes into a data file is, to the column, the bit of metadata and the value, what real NautilusTrader was seen to read."""

import pyarrow as pa
import pytest

from perptape.datasets import DATASETS
from perptape.datasets.base import Format
from support import nautilus_golden as golden
from support.nautilus_load import DATASETS as NAMES

FILES = [pytest.param(*file, id=f"{file[0]}-{file[1]}-{file[2]}") for file in golden.market()]


def rows_of(kind: str, instrument: str, rows: golden.Rows) -> pa.Table:
    schema = DATASETS[NAMES[kind]].schema
    values = golden.complete(instrument, rows)
    return pa.table([pa.array(values[field.name], field.type) for field in schema], schema=schema)


@pytest.mark.parametrize("form", ["nautilus1", "nautilus2"])
@pytest.mark.parametrize(("kind", "instrument", "first", "last", "rows"), FILES)
def test_a_data_file_is_the_golden_one(kind: str, instrument: str, first: int, last: int, rows: golden.Rows, form: Format) -> None:
    file = DATASETS[NAMES[kind]].to_file(rows_of(kind, instrument, rows), form, instrument)
    wanted = golden.encoded(kind, instrument, form, rows)
    assert file.schema.equals(wanted.schema, check_metadata=True), f"{file.schema.to_string()}\n\nis not\n\n{wanted.schema.to_string()}"
    assert file.equals(wanted)


@pytest.mark.parametrize("form", ["nautilus1", "nautilus2"])
@pytest.mark.parametrize(("kind", "instrument", "first", "last", "rows"), FILES)
def test_a_golden_file_reads_back_as_the_rows(kind: str, instrument: str, first: int, last: int, rows: golden.Rows, form: str) -> None:
    read = DATASETS[NAMES[kind]].from_file(golden.encoded(kind, instrument, form, rows), instrument)
    assert read.equals(rows_of(kind, instrument, rows))


@pytest.mark.parametrize(("index", "form"), [(0, "nautilus1"), (1, "nautilus2")])
def test_the_directories_are_those_that_nautilus_looks_into(index: int, form: str) -> None:
    assert {one.class_name: one.directories[index] for one in DATASETS.values()} == golden.DIRECTORIES[form]
