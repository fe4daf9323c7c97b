"""What the tests of runs that keep fronts, or the best points, share: a small study, and what to keep of its rows."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from dse.config import Study, load_study
from dse.metrics import METRICS
from dse.sweep import RunSummary, sweep
from tests.studies import quiet

LAYERS = """layer,kind,C,H,W,M,R,S,stride,padding,dilation,groups,count
one,conv,3,16,16,8,3,3,1,1,1,1,1
two,conv,8,16,16,{channels},3,3,2,1,1,1,2
"""
CONFIG = """
schema: 1
name: tiny
workloads: [net.csv]
space:
  pe_type: [int16, lightpe1]
  dataflow: [weight_stationary, row_stationary]
  rows: [4, 8]
  cols: [4, 8]
  filter_spad_words: [64, 112]
  glb_kib: [16, 64]
  dram_gb_s: [1, 8]
  clock_mhz: [max, 150]
"""
PAIR = "objectives: [perf_per_area, energy]\n"
THREE = "objectives: [latency, energy, area]\n"
LIMITS = "constraints: {area: {max: 1.1}, perf_per_area: {min: 2000}}\n"
SAMPLES = ["sample: {method: random, n: 57, seed: 3}\n", "sample: {method: lhs, n: 40, seed: 1}\n"]
WORKLOADS = "workloads: [net.csv, other.csv]"


def study_of(folder: Path, extra: str, text: str = CONFIG) -> Study:
    (folder / "net.csv").write_text(LAYERS.format(channels=16))
    (folder / "other.csv").write_text(LAYERS.format(channels=40))
    (folder / "config.yaml").write_text(text.replace("workloads: [net.csv]", WORKLOADS) + extra)
    return load_study(folder / "config.yaml")


def digest(run: Path) -> str:
    return hashlib.sha256((run / "points.parquet").read_bytes()).hexdigest()


def rows_of(run: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(run / "points.parquet").to_pylist()
    return rows


def swept(study: Study, out: Path, jobs: int = 1, prune: bool = True) -> RunSummary:
    return sweep(study, out, jobs, False, quiet, prune=prune)


Memo = Callable[[str], list[dict[str, Any]]]


def expected(study: Study, rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """What to keep of rows, from the definitions, by comparing every pair."""
    kept: list[Mapping[str, Any]] = []
    for workload in study.workloads:
        for pe_type in study.space.pe_type:
            own = [row for row in rows if (row["workload"], row["pe_type"]) == (workload.name, pe_type)]
            kept += chosen(study, [row for row in own if row["feasible"] and within(study, row)])
    names = [workload.name for workload in study.workloads]
    return sorted(kept, key=lambda row: (row["design_id"], names.index(row["workload"])))


def within(study: Study, row: Mapping[str, Any]) -> bool:
    limits = [(row[METRICS[each.metric].column], each.minimum, each.maximum) for each in study.constraints]
    return all((low is None or value >= low) and (high is None or value <= high) for value, low, high in limits)


def chosen(study: Study, rows: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    metrics = [METRICS[name] for name in study.objectives]
    signs = np.array([-1.0 if metric.maximize else 1.0 for metric in metrics])
    costs = np.array([[row[metric.column] for metric in metrics] for row in rows]).reshape(len(rows), -1) * signs
    if study.keep.what == "top":
        order = sorted(range(len(rows)), key=lambda place: (*costs[place], rows[place]["design_id"]))
        return [rows[place] for place in order[: study.keep.n]]
    beaten = [((costs <= cost).all(axis=1) & (costs < cost).any(axis=1)).any() for cost in costs]
    return [row for row, out in zip(rows, beaten, strict=True) if not out]
