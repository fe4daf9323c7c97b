"""Tables as bytes: the form in which a finished block travels between processes and waits on disk.

A payload is a compressed Arrow IPC stream.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce

import pyarrow as pa
import pyarrow.compute as pc


@dataclass(frozen=True)
class Counts:
    """Rows of points, and how many of them are feasible."""

    points: int = 0
    feasible: int = 0

    @property
    def share(self) -> float | None:
        """Feasible ones among the rows, None where there is no row."""
        return self.feasible / self.points if self.points else None

    @staticmethod
    def sum(counts: Iterable[Counts]) -> Counts:
        """All together."""
        return reduce(Counts.plus, counts, Counts())

    def plus(self, other: Counts) -> Counts:
        """Both together."""
        return Counts(self.points + other.points, self.feasible + other.feasible)


def encode(table: pa.Table) -> bytes:
    """A table as bytes."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue().to_pybytes())


def decode(payload: bytes) -> pa.Table:
    """The table that `encode` was given."""
    return pa.ipc.open_stream(payload).read_all()


def count(payload: bytes) -> Counts:
    """Rows of a payload; in a table without the column `feasible` all of them are."""
    names = pa.ipc.open_stream(payload).schema.names
    column = names.index("feasible") if "feasible" in names else 0
    options = pa.ipc.IpcReadOptions(included_fields=[column])
    table = pa.ipc.open_stream(payload, options=options).read_all()
    feasible = int(pc.sum(table["feasible"]).as_py() or 0) if "feasible" in names else table.num_rows
    return Counts(table.num_rows, feasible)
