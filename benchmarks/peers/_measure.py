"""Runs a peer in a process of its own, again and again, under a time limit."""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.peers._environment import NotRunError, environment, reason_of
from benchmarks.peers._network import CONFIGS
from benchmarks.peers._peer import FOLDER, Peer

ROOT = FOLDER.parent.parent
WORKER = FOLDER / "_worker.py"
NICE = 10
Row = dict[str, Any]
RESULTS = ("cycles", "compute_cycles", "energy_macs", "energy_mj", "area_mm2")


@dataclass(frozen=True)
class Task:
    """What every peer gets: the network as `dse` knows it and as plain layers, and how long and often to run."""

    network: str
    layers: Sequence[Mapping[str, Any]]
    limit_s: float
    repeat: int


@dataclass(frozen=True)
class Run:
    """One process: its events, wall time from start to end, and why it failed ("" where it did not)."""

    events: tuple[Row, ...]
    wall_s: float
    reason: str
    stopped: bool = False

    def steps(self, timed: bool = True) -> list[Row]:
        """Events of the steps that are timed, or of all."""
        steps = [event for event in self.events if event["event"] == "step"]
        return [step for step in steps if not (timed and step["result"].get("untimed"))]


def measure(peer: Peer, variant: str, task: Task, say: Callable[[str], None]) -> Row:
    """The row of one variant: repeated until `repeat` or until another run would pass the limit."""
    row = {"peer": peer.name, "variant": variant}
    try:
        python = environment(peer, say)
    except NotRunError as error:
        return {**row, "status": "not run", "reason": str(error)}
    runs: list[Run] = []
    left = task.limit_s
    while len(runs) < task.repeat and (not runs or runs[-1].wall_s <= left):
        say(f"{peer.name} {variant}: run {len(runs) + 1} of {task.repeat}, at most {left:.0f} s")
        runs.append(run_once(peer, variant, python, task, left))
        left -= runs[-1].wall_s
        if runs[-1].reason:
            break
    return {**row, **summary(runs, len(task.layers))}


def run_once(peer: Peer, variant: str, python: Path, task: Task, limit_s: float) -> Run:
    """Start the worker and wait for it; stopped with its children at the limit."""
    with tempfile.TemporaryDirectory(prefix="peer-", ignore_cleanup_errors=True) as folder:
        scratch = Path(folder)
        job = {
            "peer": str(peer.path), "variant": variant, "network": task.network, "layers": list(task.layers),
            "paths": [] if peer.requirements else [str(ROOT)], "configs": str(CONFIGS), "scratch": folder,
            "events": str(scratch / "events.jsonl"),
        }  # fmt: skip
        (scratch / "job.json").write_text(json.dumps(job), encoding="utf-8")
        start = time.perf_counter()
        with (scratch / "log").open("wb") as log:
            stopped, code = _wait([str(python), "-I", str(WORKER), str(scratch / "job.json")], log, folder, limit_s)
        wall_s = time.perf_counter() - start
        events = read_events(scratch / "events.jsonl")
        output = (scratch / "log").read_text(encoding="utf-8", errors="replace")
    return Run(events, wall_s, f"at the limit of {limit_s:.0f} s" if stopped else _why(code, output), stopped)


def _why(code: int, output: str) -> str:
    """Why a process ended so; "" where all went well."""
    if code < 0:
        return f"ended by signal {-code}"  # 9 where the system ran out of memory
    return reason_of(output) if code else ""


def read_events(path: Path) -> tuple[Row, ...]:
    """The events of a run; a last line that was cut off is none."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    return tuple(map(json.loads, text.split("\n")[:-1]))


def _wait(command: list[str], log: Any, folder: str, limit_s: float) -> tuple[bool, int]:
    """Whether the process had to be stopped, and its exit code."""
    own_group: Mapping[str, Any] = (
        {} if os.name == "nt" else {"start_new_session": True, "preexec_fn": lambda: os.nice(NICE)}
    )
    process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, **own_group)
    try:
        return False, process.wait(limit_s)
    except subprocess.TimeoutExpired:
        return True, 1
    finally:
        if process.poll() is None:
            if os.name == "nt":
                process.kill()
            else:
                os.killpg(process.pid, signal.SIGKILL)  # the group that this process leads: it and its children
            process.wait()


def summary(runs: Sequence[Run], shapes: int) -> Row:
    """Median and range over the runs that ended, or what the only run did until it was stopped."""
    whole = [run for run in runs if not run.reason]
    shown = whole or list(runs[-1:])
    done = min(sum(step["result"].get("shapes", 0) for step in run.steps()) for run in shown)
    last = "" if whole and runs[-1].stopped else runs[-1].reason  # fewer repetitions say that
    status = "ok" if whole else "stopped" if runs[-1].stopped else "failed"
    loaded = [event for run in shown for event in run.events if event["event"] == "loaded"]
    steps = [step["result"] for step in shown[0].steps(timed=False)]
    designs = max([step.get("designs", 1) for step in steps], default=1)
    sums = {name: sum(step[name] for step in steps if name in step) for name in RESULTS}
    memory = [event["peak_mb"] for event in shown[0].events if event["event"] == "end"]
    return {
        "status": status, "reason": last, "repetitions": len(whole), "shapes_done": done, "shapes": shapes,
        "version": loaded[0]["version"] if loaded else "", "python": loaded[0]["python"] if loaded else "",
        "designs": designs, "cpu_s_per_design": spread([_seconds(run, "cpu_s") / designs for run in shown]),
        "process_wall_s": spread([run.wall_s for run in shown]),
        "import_cpu_s": spread([event["cpu_s"] for event in loaded]), "peak_mb": memory[0] if memory else None,
        **{name: sums[name] if any(name in step for step in steps) else None for name in RESULTS},
    }  # fmt: skip


def _seconds(run: Run, kind: str) -> float:
    return float(sum(step[kind] for step in run.steps()))


def spread(values: Sequence[float]) -> dict[str, float] | None:
    """Median, least and most; None without values."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values)} if values else None
