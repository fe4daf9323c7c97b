"""What the best designs are made of: area and energy of each PE type's best design, in parts that add to the total."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dse.metrics import ENERGY_PARTS
from dse.report.causes import DESIGN_PARTS, design_area_parts
from dse.report.gains import best_positions
from dse.report.run import Run
from dse.report.usable import Points

Row = dict[str, Any]

BY = ("perf_per_area", "energy")  # the best design is that of highest performance per area, ties by energy


def breakdowns(run: Run, points: Points) -> list[Row]:
    """Per workload, clock setting and PE type: area (mm2) and energy per inference (mJ) of the best design, by part."""
    best = best_positions(points, BY)
    designs = run.rows(points.row[list(best.values())]).to_pylist()
    return [_breakdown(labels, design) for labels, design in zip(best, designs, strict=True)]


def _breakdown(labels: Sequence[str], design: Row) -> Row:
    row: Row = {"workload": labels[0], "clock_setting": labels[1], "pe_type": labels[2]}
    row |= {"dataflow": design["dataflow"], "rows": design["rows"], "cols": design["cols"]}
    area = design_area_parts(design)
    row |= {f"area_{part}_mm2": area[part] for part in DESIGN_PARTS} | {"area_mm2": design["area_mm2"]}
    return (
        row
        | {f"energy_{part}_mj": design[f"energy_{part}_mj"] for part in ENERGY_PARTS}
        | {"energy_mj": design["energy_mj"]}
    )
