"""Fronts found by leaving out boxes of designs are those of evaluating every design."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import yaml

from dse.block_points import block_points
from dse.config import Study, load_study
from dse.dataflow import list_dataflows
from dse.kept import Kept, Tally
from dse.metrics import METRICS, Totals
from dse.pruned.bounds import BoxBounds
from dse.pruned.boxes import Boxes
from dse.pruned.front import costs_of
from dse.pruned.quick import QuickCosts
from dse.pruned.search import can_prune, grid_points, mapped_points
from dse.space import Block, BoolArray, FloatArray, Grid, IntArray

SPACE: dict[str, list[Any]] = {
    "pe_type": ["int8", "lightpe1"], "rows": [8, 12, 20], "cols": [7, 14], "ifmap_spad_words": [8, 12],
    "filter_spad_words": [32, 112, 224], "psum_spad_words": [8, 24], "glb_kib": [32, 108],
    "glb_bytes_per_cycle": [8, 32], "dram_gb_s": [1, 4, 16], "clock_mhz": ["max", 100, 5000],
}  # fmt: skip
VARIANTS: dict[str, dict[str, Any]] = {
    "two objectives": {},
    "three objectives": {"objectives": ["latency", "energy", "area"]},
    "constraints": {"constraints": {"area": {"max": 1.5}, "perf_per_area": {"min": 30}}},
    "least area": {"objectives": ["latency", "energy", "area"], "constraints": {"area": {"min": 1.0}}},
    "least energy": {"objectives": ["latency", "energy", "area"], "constraints": {"energy": {"min": 0.5}}},
    "an area that a design of the front just exceeds": {
        "objectives": ["latency", "energy"],
        "constraints": {"area": {"max": 1.2734887713610163 * (1 - 3e-10)}},
    },
    "a network that some arrays are too small for": {
        "workloads": ["fsrcnn-x2", "resnet20-cifar10"],
        "objectives": ["latency", "energy", "area"],
        "space": SPACE
        | {
            "rows": [3, 4, 6, 8],
            "cols": [3, 5, 7, 14, 20],
            "glb_kib": [16, 32, 64, 108, 200],
            "filter_spad_words": [32, 112],
            "clock_mhz": ["max"],
        },
    },
    "two networks": {"workloads": ["resnet20-cifar10", "fsrcnn-x2"]},
    "objective of the mapper": {"mapping": {"objective": "latency"}},
    "output stationary": {"space": SPACE | {"dataflow": ["output_stationary"], "rows": [5, 8, 12, 20, 31]}},
    "weight stationary": {"space": SPACE | {"dataflow": ["weight_stationary"], "cols": [3, 7, 14, 33]}},
    "input stationary": {"space": SPACE | {"dataflow": ["input_stationary"]}, "objectives": ["energy", "area"]},
    "batches": {"space": SPACE | {"batch": [1, 3], "dram_gb_s": [2]}},
}


def study_of(folder: Path, changes: dict[str, Any]) -> Study:
    config: dict[str, Any] = {
        "schema": 1, "name": "study", "workloads": ["resnet20-cifar10"], "space": SPACE,
        "objectives": ["perf_per_area", "energy"], "keep": "front",
    } | changes  # fmt: skip
    if "dataflow" in config["space"]:
        config["space"] = {name: each for name, each in config["space"].items() if not name.endswith("spad_words")}
    (folder / "study.yaml").write_text(yaml.safe_dump(config))
    return load_study(folder / "study.yaml")


def evaluated(study: Study, grid: Grid, ids: IntArray | None) -> pa.Table:
    """The front by evaluating every design."""
    blocks = grid.blocks(4096) if ids is None else [Block(ids, grid.decode(ids))]
    points = pa.concat_tables([block_points(study, block) for block in blocks])
    return Kept(study).plus(points, Tally()).table()


def assert_equal_rows(found: pa.Table, expected: pa.Table) -> None:
    assert found.num_rows > 0
    assert found.to_pylist() == expected.to_pylist()


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_front_of_a_grid_is_that_of_evaluating_every_design(tmp_path: Path, variant: str) -> None:
    study = study_of(tmp_path, VARIANTS[variant])
    assert can_prune(study)
    for grid in study.space.grids[:1]:
        expected = evaluated(study, grid, None)
        assert_equal_rows(grid_points(study, grid, None), expected)
        assert_equal_rows(mapped_points(study, grid, grid.blocks(500))[0], expected)


def test_the_front_of_a_sample_is_that_of_evaluating_the_sample(tmp_path: Path) -> None:
    study = study_of(tmp_path, {})
    grid = study.space.grids[1]
    for seed, size in enumerate((9, 40, 900)):
        ids = np.sort(np.random.default_rng(seed).choice(grid.size, size, replace=False)) + grid.start
        assert_equal_rows(grid_points(study, grid, ids), evaluated(study, grid, ids))


@pytest.mark.parametrize("dataflow", list_dataflows())
def test_no_design_of_a_box_is_better_than_its_bounds(tmp_path: Path, dataflow: str) -> None:
    objectives = ["latency", "energy", "area", "perf_per_area", "edp", "utilization"]
    changes: dict[str, Any] = {"objectives": objectives, "workloads": ["fsrcnn-x2"]}
    if dataflow != "row_stationary":
        changes["space"] = SPACE | {"dataflow": [dataflow]}
    study = study_of(tmp_path, changes)
    grid, rng = study.space.grids[0], np.random.default_rng(0)
    bounds, quick, shape = BoxBounds.of(study, grid), QuickCosts.of(study, grid), np.asarray(grid.shape)
    whole = Boxes.whole(grid)
    ends = np.sort(rng.integers(0, shape, (40, 2, len(shape))), axis=1)
    some = rng.integers(0, len(whole), 40)
    boxes = Boxes(
        np.clip(ends[:, 0], whole.low[some], whole.high[some]), np.clip(ends[:, 1], whole.low[some], whole.high[some])
    )
    seen: list[FloatArray] = []

    def needed(totals: Totals, open_: BoolArray) -> BoolArray:
        seen.append(costs_of(study, totals, open_.T.shape, of_boxes=True).values[0])
        return open_

    alive, _ = bounds.raised(boxes, bounds.nothing_known(len(boxes)), needed)
    least = seen[-1]
    for row, box in enumerate(np.flatnonzero(alive)):
        ids = Boxes(boxes.low[box : box + 1], boxes.high[box : box + 1]).ids(grid)
        costs = quick.costs(grid.decode(rng.choice(ids, min(len(ids), 30), replace=False))).values[0]
        usable = np.isfinite(costs).all(axis=1)
        assert np.all(least[row] <= costs[usable]), study.objectives


def test_what_has_no_bounds_is_not_pruned(tmp_path: Path) -> None:
    study = study_of(tmp_path, {})
    for name, metric in METRICS.items():
        assert can_prune(replace(study, objectives=("latency", name))) == metric.bounded


def test_quick_costs_are_those_of_the_points(tmp_path: Path) -> None:
    study = study_of(
        tmp_path, {"objectives": [name for name, metric in METRICS.items() if metric.bounded and not metric.of_network]}
    )
    for grid in study.space.grids:
        block = next(grid.blocks(4096))
        table = block_points(study, block)
        feasible = table["feasible"].to_numpy()
        costs = QuickCosts.of(study, grid).costs(block.designs).values[0]
        assert np.array_equal(np.isfinite(costs).all(axis=1), feasible)
        for column, name in enumerate(study.objectives):
            metric = METRICS[name]
            values = table[metric.column].to_numpy(zero_copy_only=False)[feasible]
            assert np.allclose(np.abs(costs[feasible, column]), values, rtol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(12))
def test_fronts_of_random_spaces_are_those_of_evaluating_every_design(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    axes: dict[str, list[Any]] = {
        name: rng.permutation(np.asarray(values, object))[:2].tolist()
        for name, values in SPACE.items() if name not in ("pe_type", "clock_mhz", "rows", "cols")
    }  # fmt: skip
    axes |= {name: np.unique(rng.integers(least, 40, 5)).tolist() for name, least in (("rows", 3), ("cols", 1))}
    axes |= {"pe_type": [str(rng.choice(["int16", "int8", "w4a8", "lightpe2"]))], "clock_mhz": ["max", 150]}
    bounded = [name for name, metric in METRICS.items() if metric.bounded and not metric.of_network]
    objectives = [str(name) for name in rng.choice(bounded, rng.integers(2, 4), replace=False)]
    study = study_of(tmp_path, {"space": axes, "objectives": objectives})
    grid = study.space.grids[0]
    assert_equal_rows(grid_points(study, grid, None), evaluated(study, grid, None))
