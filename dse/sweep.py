"""Sweeps: every design of a study, every workload, one row each in `points.parquet`.

The space is cut into blocks; an executor turns them into tables, wherever that is, and this process alone writes them
into the run directory. A killed sweep resumes at the blocks that are missing and ends with the same bytes.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, nullcontext, suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

import dse
from dse.block_points import block_points, failed_points
from dse.config import Study
from dse.errors import RunError
from dse.executors import Executor, in_processes, in_this_process
from dse.payload import Counts, count, decode
from dse.points import SCHEMA
from dse.provenance import pe_hashes
from dse.run_directory import RunDirectory, written
from dse.sample import sampled_ids
from dse.space import Block

BLOCK_DESIGNS = 16_384
MAX_ROUNDS = 3  # of evaluating parts again that were damaged after they were written

Blocks = Callable[[], Iterator[Block]]


@dataclass(frozen=True)
class Progress:
    """How far a sweep is, in designs; `feasible` is the share of feasible points so far, None before the first."""

    done: int
    total: int
    elapsed_s: float
    feasible: float | None = None


@dataclass(frozen=True)
class RunSummary:
    """What a finished sweep left behind; `failed` points are infeasible because their evaluation raised an error."""

    path: Path
    designs: int
    points: int
    feasible: int
    wall_s: float
    resumed: bool
    failed: int = 0


def to_stderr(message: str) -> None:
    """Show a message of a sweep."""
    print(message, file=sys.stderr, flush=True)


def sweep(
    study: Study,
    out: Path,
    jobs: int,
    fresh: bool,
    progress: Callable[[Progress], None],
    scheduler: str | None = None,
    say: Callable[[str], None] = to_stderr,
) -> RunSummary:
    """Evaluate every design of the study on every workload into the run directory `out`.

    In `jobs` processes, or by the workers of the Dask scheduler at the address `scheduler`.
    Raises InputError when `out` holds a run of another configuration, version or PE library, RunError when another
    process is working in it, it cannot be written, or workers are lost for good.
    """
    start = time.monotonic()
    directory = RunDirectory(out, _identity(study))
    if not fresh and (found := directory.finished()) and not directory.parts.exists():
        return _summary(out, found)
    with _executor(study, jobs, scheduler, say) as execute, directory.locked():
        if fresh:
            directory.clear()
        elif found := directory.finished():
            directory.remove_parts()
            return _summary(out, found)
        directory.begin()
        done, resumed = _complete(study, directory, execute, lambda designs, total, counts: progress(
            Progress(designs, total, time.monotonic() - start, counts.share)), say)  # fmt: skip
        wall_s = time.monotonic() - start
        directory.end({
            **done.numbers, "name": study.name, "config": study.resolved, "seed": study.sample.seed,
            "wall_s": round(wall_s, 2), "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        })  # fmt: skip
    return _summary(out, done.numbers, wall_s, resumed)


@dataclass(frozen=True)
class _Done:
    designs: int
    counts: Counts
    failed: int

    @property
    def numbers(self) -> dict[str, int]:
        """As in run.json."""
        counts = {"points": self.counts.points, "feasible": self.counts.feasible}
        return {"designs": self.designs, **counts, "failed": self.failed}


def _summary(out: Path, numbers: Mapping[str, Any], wall_s: float = 0.0, resumed: bool = True) -> RunSummary:
    counts = (numbers["designs"], numbers["points"], numbers["feasible"])
    return RunSummary(out, *counts, wall_s, resumed, numbers.get("failed", 0))


def _identity(study: Study) -> dict[str, Any]:
    """What makes two runs the same run, to the byte."""
    return {
        "version": dse.__version__,
        "config_sha256": study.sha256,
        "pe_models": pe_hashes(study.space),
        "block_designs": BLOCK_DESIGNS,
    }


def _executor(
    study: Study, jobs: int, scheduler: str | None, say: Callable[[str], None]
) -> AbstractContextManager[Executor]:
    if scheduler is not None:
        from dse.cluster import cluster

        return cluster(scheduler, study.space, say)
    return nullcontext(in_this_process if jobs == 1 else in_processes(jobs))


def _blocks(study: Study) -> Blocks:
    """The blocks of a study, from the start at each call."""
    if study.sample.method == "grid":
        return partial(study.space.blocks, BLOCK_DESIGNS)
    return partial(study.space.select, sampled_ids(study.space, study.sample), BLOCK_DESIGNS)


def _complete(
    study: Study,
    directory: RunDirectory,
    execute: Executor,
    progress: Callable[[int, int, Counts], None],
    say: Callable[[str], None],
) -> tuple[_Done, bool]:
    """Evaluate what is missing and merge all, again where a part was damaged in between; and whether some was there."""
    blocks = _blocks(study)
    sizes = [len(block.design_ids) for block in blocks()]
    resumed = bool(directory.part_numbers())
    for _ in range(MAX_ROUNDS):
        whole = _whole_parts(directory, say)
        done, counts = sum(sizes[number] for number in whole), Counts.sum(whole.values())
        progress(done, sum(sizes), counts)
        work = ((number, block) for number, block in enumerate(blocks()) if number not in whole)
        with closing(execute(partial(block_points, study), work)) as results:
            for number, payload in results:
                directory.write_part(number, payload)
                done, counts = done + sizes[number], counts.plus(count(payload))
                progress(done, sum(sizes), counts)
        with suppress(_DamagedError):
            return _Done(sum(sizes), counts, _merge(directory, len(sizes))), resumed
    raise RunError(f"{directory.parts}: finished parts are damaged time and again; check the disk")


def _whole_parts(directory: RunDirectory, say: Callable[[str], None]) -> dict[int, Counts]:
    """What the whole parts count, by number; damaged ones are spoken of."""
    payloads = ((number, directory.read_part(number)) for number in directory.part_numbers())
    found = {number: None if payload is None else count(payload) for number, payload in payloads}
    damaged = [f"{number:06d}" for number, counts in found.items() if counts is None]
    if damaged:
        names = ", ".join(damaged[:10]) + (", ..." if len(damaged) > 10 else "")
        say(f"{directory.parts}: damaged, evaluated again: {names}")
    return {number: counts for number, counts in found.items() if counts is not None}


class _DamagedError(Exception):
    """A part is not, or no longer, what was written."""


def _merge(directory: RunDirectory, parts: int) -> int:
    """All parts, in order, as one file; returns the number of failed points. Raises _DamagedError."""
    failed, identity = 0, json.dumps(directory.identity, sort_keys=True)
    with written(directory.points) as file:
        schema = SCHEMA.with_metadata({"dse": identity})
        with pq.ParquetWriter(file, schema, compression="zstd", write_page_checksum=True) as writer:
            for number in range(parts):
                payload = directory.read_part(number)
                if payload is None:
                    raise _DamagedError
                table = decode(payload).replace_schema_metadata(schema.metadata)
                writer.write_table(table)
                failed += failed_points(table)
    return failed
