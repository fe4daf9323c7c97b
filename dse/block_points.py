"""One block of designs -> its rows of points: the unit of work of a sweep, a pure function.

An evaluation that raises does not end the sweep: the block is halved until the designs at fault stand alone. They
become infeasible rows whose reason states the error; all others get the rows they would have had without them.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from dse.config import Study
from dse.errors import InputError, RunError
from dse.evaluate import Evaluation, evaluate
from dse.metrics import AREA_PARTS, CYCLE_PARTS, ENERGY_PARTS, Totals
from dse.points import SCHEMA, points_table
from dse.space import Block, IntArray
from workloads.layer import Workload

FAILED = "evaluation failed: "  # how the reason of such a row begins
MAX_REASON = 200  # characters
MAX_TRIES = 256  # evaluations spent on one block and workload: enough to single out about ten designs of 16,384
# Not the fault of a design: a file or module that is missing, a limit of the system.
ENDS_THE_RUN = (OSError, ImportError, InputError, RunError)

# In place of what was not computed; every metric of an infeasible row is null.
_STAND_IN = Totals(
    macs=1, pes=1, batch=1, clock_mhz=1.0, dram_bits=1, glb_bits=1,
    cycles=dict.fromkeys(CYCLE_PARTS, 1), area_mm2=dict.fromkeys(AREA_PARTS, 1.0),
    energy_pj=dict.fromkeys(ENERGY_PARTS, 1.0),
)  # fmt: skip


def block_points(study: Study, block: Block) -> pa.Table:
    """The rows of a block, workload by workload, in the order of design ids; as `dse.points.SCHEMA`."""
    try:
        return canonical(_evaluated(study, block, study.workloads))
    except ENDS_THE_RUN:
        raise
    except Exception:
        return canonical([table for workload in study.workloads for table in _isolated(study, block, workload)])


def failed_points(table: pa.Table) -> int:
    """How many rows are there because an evaluation raised an error."""
    reasons = table["reason"].unify_dictionaries().combine_chunks()
    at_fault = pc.starts_with(reasons.dictionary, FAILED)
    return int(pc.sum(at_fault.take(reasons.indices)).as_py() or 0)


def _evaluated(study: Study, block: Block, workloads: Sequence[Workload]) -> list[pa.Table]:
    evaluations = evaluate(block.designs, workloads, study.technology, study.mapping_objective)
    return [points_table(block, workload, each) for workload, each in zip(workloads, evaluations, strict=True)]


def _isolated(study: Study, block: Block, workload: Workload) -> list[pa.Table]:
    """The rows of one workload, ids rising, where some designs fail; beyond MAX_TRIES whole pieces count as failed."""
    pieces, tables, tries = [block.design_ids], [], 0
    while pieces:
        ids = pieces.pop()
        piece = _columns(study, ids)
        tries += 1
        try:
            tables += _evaluated(study, piece, [workload])
        except ENDS_THE_RUN:
            raise
        except Exception as error:
            if len(ids) == 1 or tries > MAX_TRIES:
                tables.append(_failed(piece, workload, error))
            else:
                pieces += [ids[len(ids) // 2 :], ids[: len(ids) // 2]]
    return tables


def _columns(study: Study, design_ids: IntArray) -> Block:
    """Designs of one block again, as columns."""
    (block,) = study.space.select(design_ids, len(design_ids))
    return block


def _failed(block: Block, workload: Workload, error: Exception) -> pa.Table:
    """Rows that have their axes, no results, and the error as their reason."""
    text = " ".join(f"{FAILED}{type(error).__name__}: {error}".split()).rstrip(": ")
    failed = Evaluation(_STAND_IN, block.designs.column("batch") * 0 + 1, ("", text[:MAX_REASON]))
    table = points_table(block, workload, failed)
    place = SCHEMA.get_field_index("clock_mhz")
    return table.set_column(place, SCHEMA.field(place), pa.nulls(table.num_rows, pa.float64()))


def canonical(tables: Sequence[pa.Table]) -> pa.Table:
    """One table whose bytes depend on its rows only, not on the pieces it was made of."""
    joined = pa.concat_tables(tables)
    columns = [
        column.cast(pa.string()).combine_chunks().dictionary_encode() if pa.types.is_dictionary(column.type)
        else column.combine_chunks()
        for column in joined.columns
    ]  # fmt: skip
    return pa.table(columns, schema=SCHEMA)
