"""What audits sampled of a venue, kept for a while to measure by. It is no part of the data: nothing reads, claims or publishes it."""

from __future__ import annotations

import pyarrow as pa

from perptape.datasets import DATASETS
from perptape.store import layout
from perptape.store.coverage import readable
from perptape.store.filesystem import FileSystem
from perptape.store.segment import Segment, encode_segment


def keep(fs: FileSystem, sample: Segment, since: int) -> None:
    """Keeps a sample, and removes those that were named before `since` (ms, on the clock that names them)."""
    folder = layout.samples(sample.venue, sample.dataset)
    fs.create(f"{folder}/{sample.name}.parquet", encode_segment(sample))
    for path in (entry.path for entry in fs.list(folder)):
        if (layout.named_at(layout.name_of(path)) or 0) < since:
            fs.delete(path)


def kept(fs: FileSystem, venue: str, dataset: str) -> pa.Table:
    """The rows of all samples that can be read."""
    schema = DATASETS[dataset].schema
    found, _ = readable(fs, layout.samples(venue, dataset), schema, rows=True)
    return pa.concat_tables([schema.empty_table(), *(sample.rows for sample in found)])
