"""Sweeps: every design of a study, every workload, one row each in `points.parquet`.

The space is cut into blocks; each finished block is one file under `parts/`, put in place by a rename, so a killed
sweep resumes at the blocks that are missing and ends with the same bytes. `run.json` is written last: a run directory
with it is complete.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

import dse
from dse.config import Study
from dse.errors import InputError, Problem
from dse.evaluate import evaluate
from dse.points import SCHEMA, points_table
from dse.provenance import pe_hashes
from dse.sample import sampled_ids
from dse.space import Block

BLOCK_DESIGNS = 16_384


@dataclass(frozen=True)
class Progress:
    """How far a sweep is, in designs."""

    done: int
    total: int
    elapsed_s: float


@dataclass(frozen=True)
class RunSummary:
    """What a finished sweep left behind."""

    path: Path
    designs: int
    points: int
    feasible: int
    wall_s: float
    resumed: bool


def sweep(study: Study, out: Path, jobs: int, fresh: bool, progress: Callable[[Progress], None]) -> RunSummary:
    """Evaluate every design of the study on every workload into the run directory `out`.

    Raises InputError when `out` holds a run of another configuration, version or PE library.
    """
    start = time.monotonic()
    identity = _identity(study)
    if fresh and out.exists():
        _remove_run(out)
    finished = _check_owner(out, identity)
    if finished:
        return RunSummary(out, finished["designs"], finished["points"], finished["feasible"], 0.0, True)
    parts = out / "parts"
    parts.mkdir(parents=True, exist_ok=True)
    _write_text(parts / "plan.json", json.dumps(identity, indent=2, sort_keys=True))
    resumed = _evaluate_blocks(study, parts, jobs, lambda done, total: progress(
        Progress(done, total, time.monotonic() - start)))  # fmt: skip
    points, feasible = _merge(study, parts, out, identity)
    designs = points // len(study.workloads)
    wall_s = time.monotonic() - start
    _write_text(out / "run.json", json.dumps({
        **identity, "name": study.name, "config": study.resolved, "designs": designs, "points": points,
        "feasible": feasible, "seed": study.sample.seed, "wall_s": round(wall_s, 2),
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }, indent=2, sort_keys=True) + "\n")  # fmt: skip
    shutil.rmtree(parts)
    return RunSummary(out, designs, points, feasible, wall_s, resumed)


def _identity(study: Study) -> dict[str, Any]:
    """What makes two runs the same run."""
    return {
        "version": dse.__version__,
        "config_sha256": study.sha256,
        "pe_models": pe_hashes(study.space),
    }


def _check_owner(out: Path, identity: dict[str, Any]) -> dict[str, Any] | None:
    """The finished run in `out` if it is this one; None when there is none yet."""
    advice = "choose another directory with -o, or replace it with --fresh"
    for path in (out / "run.json", out / "parts" / "plan.json"):
        if path.exists():
            found = _read_object(path)
            if any(found.get(key) != value for key, value in identity.items()):
                raise InputError(Problem(str(out), "holds a run of another config, version or PE library", hint=advice))
            if path.name == "run.json" and found.get("points") == _rows(out / "points.parquet"):
                return found
    foreign = any(path.suffix != ".partial" for path in (out / "parts").glob("*"))
    if foreign and not (out / "parts" / "plan.json").exists():
        rule = "holds files that no sweep wrote"  # and that the end of this one would remove
        raise InputError(Problem(str(out / "parts"), rule, hint="choose another directory with -o"))
    return None


def _read_object(path: Path) -> dict[str, Any]:
    """A JSON object, empty where the file is torn."""
    try:
        found = json.loads(path.read_text())
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _blocks(study: Study) -> Iterator[Block]:
    if study.sample.method == "grid":
        return study.space.blocks(BLOCK_DESIGNS)
    return study.space.select(sampled_ids(study.space, study.sample), BLOCK_DESIGNS)


def _evaluate_blocks(study: Study, parts: Path, jobs: int, progress: Callable[[int, int], None]) -> bool:
    """Evaluate the blocks whose part is missing; returns whether some were there already."""
    sizes = {index: len(block.design_ids) for index, block in enumerate(_blocks(study))}
    missing = {index for index, size in sizes.items() if _rows(_part(parts, index)) != size * len(study.workloads)}
    total = sum(sizes.values())
    done = total - sum(sizes[index] for index in missing)
    progress(done, total)
    work = ((index, block) for index, block in enumerate(_blocks(study)) if index in missing)
    for index in _finished(study, work, parts, jobs):
        done += sizes[index]
        progress(done, total)
    return len(missing) < len(sizes)


def _finished(study: Study, work: Iterator[tuple[int, Block]], parts: Path, jobs: int) -> Iterator[int]:
    """Evaluate the blocks, in this process or in `jobs` others; yields the index of each as it is done."""
    if jobs == 1:
        for index, block in work:
            _evaluate_block(study, block, _part(parts, index))
            yield index
        return
    pool = ProcessPoolExecutor(jobs)
    try:
        futures = {pool.submit(_evaluate_block, study, block, _part(parts, index)): index for index, block in work}
        for future in as_completed(futures):
            future.result()
            yield futures[future]
    finally:
        pool.shutdown(cancel_futures=True)


def _evaluate_block(study: Study, block: Block, path: Path) -> None:
    evaluations = evaluate(block.designs, study.workloads, study.technology, study.mapping_objective)
    table = pa.concat_tables(
        points_table(block, workload.name, evaluation)
        for workload, evaluation in zip(study.workloads, evaluations, strict=True)
    )
    partial = path.with_suffix(f".{os.getpid()}.partial")  # another process may write the same part
    pq.write_table(table, partial, compression="zstd")
    os.replace(partial, path)


def _part(parts: Path, index: int) -> Path:
    return parts / f"{index:06d}.parquet"


def _rows(path: Path) -> int:
    """Number of rows of a Parquet file, 0 where it is missing or torn."""
    try:
        return int(pq.read_metadata(path).num_rows)
    except (OSError, pa.ArrowException):
        return 0


def _merge(study: Study, parts: Path, out: Path, identity: dict[str, Any]) -> tuple[int, int]:
    """All parts, in order, as one file; returns the numbers of points and of feasible points."""
    partial, points, feasible = parts / f"points.{os.getpid()}.partial", 0, 0
    metadata = {"dse": json.dumps(identity, sort_keys=True)}
    with pq.ParquetWriter(partial, SCHEMA.with_metadata(metadata), compression="zstd") as writer:
        for index, _ in enumerate(_blocks(study)):
            table = pq.read_table(_part(parts, index)).cast(SCHEMA).replace_schema_metadata(metadata)
            writer.write_table(table)
            points += table.num_rows
            feasible += int(pc.sum(table["feasible"]).as_py() or 0)
    os.replace(partial, out / "points.parquet")
    return points, feasible


def _remove_run(out: Path) -> None:
    """Remove what a sweep writes, nothing else."""
    if (out / "parts" / "plan.json").exists():
        shutil.rmtree(out / "parts")
    for name in ("run.json", "points.parquet", "pareto.csv"):
        (out / name).unlink(missing_ok=True)


def _write_text(path: Path, text: str) -> None:
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text)
    os.replace(partial, path)
