"""A run directory with made-up numbers, for tests only: right columns, plausible trends, no engine needed."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from dse.metrics import METRICS
from dse.pareto import non_dominated
from dse.points import SCHEMA
from dse.space import SPAD_AXES
from workloads.layer import Accuracy

TYPES = ("fp32", "int16", "int8", "w4a8", "lightpe1", "lightpe2")
# um2 and ns of a PE, pJ of a MAC, bits of a word: invented, only ordered as one expects.
PE = {
    "fp32": (60000, 3.0, 30.0, 32), "int16": (32000, 1.5, 8.0, 16), "int8": (18000, 1.2, 3.0, 8),
    "w4a8": (12000, 1.1, 2.0, 6), "lightpe1": (11500, 1.0, 0.9, 6), "lightpe2": (16000, 1.05, 1.5, 8),
}  # fmt: skip
GMACS = {"resnet20-cifar10": 0.041, "vgg16": 15.5, "alexnet": 0.72}
SPACE = {
    "dataflow": ["row_stationary"], "rows": [8, 12, 16], "cols": [8, 14], "ifmap_spad_words": [12, 24],
    "filter_spad_words": [112, 224], "psum_spad_words": [16, 24], "glb_kib": [64, 108, 256],
    "glb_bytes_per_cycle": [8], "dram_gb_s": [1.0, 4.0, 16.0], "clock_mhz": ["max", 200.0], "batch": [1],
}  # fmt: skip
SMALL = {axis: values[-2:] for axis, values in SPACE.items()}
JOINT = ("accuracy", "perf_per_area", "energy")
MIXED = {**SPACE, "dataflow": ["weight_stationary", "row_stationary"]}


# Percent by network and PE type, invented: of two data sets, one network without, one type of another without.
DROPS = {"fp32": 0.0, "int16": 0.02, "int8": 0.1, "w4a8": 0.9, "lightpe1": 1.0, "lightpe2": 0.15}
RATED = {
    "resnet20-cifar10": {name: 91.6 - drop for name, drop in DROPS.items()},
    "vgg16": {name: 93.9 - 0.8 * drop for name, drop in DROPS.items() if name != "int8"},
}


def accuracy(pe_type, percent, **others):
    """An accuracy as in run.json."""
    known = {"pe_type": pe_type, "dataset": "cifar10", "percent": percent, "error_percent": 0.3,
             "evidence": "measured", "source": "invented", "runs": 1, "drop_percent": None,
             "drop_error_percent": None}  # fmt: skip
    return {**known, **others}


def known(pe_type, percent, **others):
    """The same as the library has it."""
    return Accuracy(**accuracy(pe_type, percent, **others))


def rated(**others):
    """The accuracies of RATED, the same things besides."""
    return {
        network: [accuracy(name, value, drop_percent=own["fp32"] - value, **others) for name, value in own.items()]
        for network, own in RATED.items()
    }


def write_rated_run(path, known, objectives=("perf_per_area", "energy"), keep="all", workloads=tuple(GMACS), **others):
    """A run whose networks have these accuracies; `keep` front: of the networks of a data set together."""
    path = write_run(path, workloads=workloads, **others)
    rows, meta = pq.read_table(path / "points.parquet").to_pylist(), json.loads((path / "run.json").read_text())
    by_pair = {(network, each["pe_type"]): each for network, own in known.items() for each in own}
    for row in rows:
        each = by_pair.get((row["workload"], row["pe_type"]))
        if each and row["feasible"]:
            row |= {"accuracy_percent": each["percent"], "accuracy_drop_percent": each["drop_percent"],
                    "accuracy_error_percent": each["error_percent"], "accuracy_evidence": each["evidence"]}  # fmt: skip
    if keep == "front":
        rows = front_of(rows, objectives)
    config = {**meta["config"], "workload_accuracies": known, "objectives": list(objectives)}
    write_points(path, rows, config)
    meta = json.loads((path / "run.json").read_text())
    (path / "run.json").write_text(json.dumps({**meta, "keep": keep}))
    return path


def as_search(path):
    """The run as one of `dse optimize`."""
    meta = json.loads((path / "run.json").read_text())
    options = {"algorithm": "nsga2", "evaluations": 600, "population": 100, "seed": 0, "stagnation": 5000}
    meta |= {"optimize": options, "designs": 600, "space": 20_736_000}
    (path / "run.json").write_text(json.dumps(meta))
    return path


def front_of(rows, objectives):
    """The rows with all objectives that no other one of the same PE type dominates."""
    columns, maximize = zip(*((METRICS[name].column, METRICS[name].maximize) for name in objectives), strict=True)
    kept = []
    for pe_type in TYPES:
        own = [row for row in rows if row["pe_type"] == pe_type and None not in (row[column] for column in columns)]
        flags = non_dominated([[row[column] for column in columns] for row in own], maximize)
        kept += [row for row, flag in zip(own, flags, strict=True) if flag]
    return kept


def write_run(path, pe_types=TYPES, workloads=tuple(GMACS), space=SPACE, feasible=True, constraints=None):
    """Write run.json and points.parquet; every 7th design is infeasible, or all when `feasible` is False."""
    axes = {"pe_type": list(pe_types), **space}
    combinations = [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]
    designs = list({tuple(design.values()): design for design in map(as_built, combinations)}.values())
    rows = [
        point(index, design, workload, feasible and index % 7 != 3)
        for workload in workloads
        for index, design in enumerate(designs)
    ]
    config = {"workloads": list(workloads), "space": axes, "constraints": constraints or {}}
    return write_points(path, rows, config)


def as_built(design):
    """The design without the spads that its dataflow has no use for."""
    return design if design["dataflow"] == "row_stationary" else {**design, **dict.fromkeys(SPAD_AXES)}


def write_points(path, rows, config):
    """A run directory of the given rows."""
    table = pa.Table.from_pylist(rows, schema=SCHEMA)
    path = Path(path)
    path.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path / "points.parquet", row_group_size=5000)
    identity = {"config": config, "config_sha256": "0" * 64, "seed": 0, "pe_models": dict.fromkeys(PE, "f" * 64)}
    meta = {"version": "0", "name": path.name, **identity}
    (path / "run.json").write_text(json.dumps(meta))
    return path


def point(index, design, workload, feasible):
    """One row of points.parquet."""
    um2, period, mac_pj, bits = PE[design["pe_type"]]
    depth = (design["filter_spad_words"] or 56) / 224
    pes = design["rows"] * design["cols"]
    mhz = 1e3 / period if design["clock_mhz"] == "max" else design["clock_mhz"]
    macs = GMACS[workload] * 1e9
    compute = int(macs / pes / (0.9 - 0.02 * pes / 64))
    traffic_mb = 4 * GMACS[workload] * bits / 8 * (1 + 100 / design["glb_kib"] + 0.3 / depth)
    stall = max(0, int(traffic_mb * 1e3 / design["dram_gb_s"] * mhz) - compute)
    area = {"pe": pes * um2 * (0.3 + 0.7 * depth) * 1e-6, "glb": design["glb_kib"] * 0.0033, "noc": pes * 1e-4}
    milliseconds = (compute + stall) / (mhz * 1e3)
    energy = {
        "mac": macs * mac_pj * 1e-9, "spad": macs * bits * 0.2 * 1e-9, "noc": macs * bits * 0.01e-9,
        "glb": traffic_mb * 0.05, "dram": traffic_mb * 0.064, "clock": macs * 0.4e-9,
        "leakage": sum(area.values()) * milliseconds * 1e-2,
    }  # fmt: skip
    total, square = sum(energy.values()), sum(area.values())
    chip = total - energy["dram"]
    metrics = {
        "latency_ms": milliseconds, "energy_mj": total, "energy_no_dram_mj": chip,
        "power_mw": chip / milliseconds * 1e3, "area_mm2": square,
        "perf_per_area_inf_s_mm2": 1e3 / milliseconds / square, "gops_per_mm2": 2e-6 * macs / milliseconds / square,
        "tops_per_w": 2e-9 * macs / chip, "edp_mj_ms": total * milliseconds,
        "utilization": macs / ((compute + stall) * pes),
        **{f"area_{part}_mm2": value for part, value in area.items()},
        **{f"energy_{part}_mj": value for part, value in energy.items()},
        "dram_mb": traffic_mb, "glb_mb": traffic_mb * 3,
    }  # fmt: skip
    cycles = {"compute_cycles": compute, "glb_stall_cycles": 0, "dram_stall_cycles": stall, "overhead_cycles": 0}
    setting = design["clock_mhz"] if design["clock_mhz"] == "max" else f"{design['clock_mhz']:g}"
    return {
        "design_id": index, "workload": workload, **{k: v for k, v in design.items() if k != "clock_mhz"},
        "clock_setting": setting, "clock_mhz": float(mhz), "feasible": feasible,
        "reason": "" if feasible else "clock above the maximum",
        **(metrics if feasible else dict.fromkeys(metrics)),
        **(cycles if feasible else dict.fromkeys(cycles, 0)),
    }  # fmt: skip
