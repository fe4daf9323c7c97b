"""A sweep as a process: killed, short of disk, without permission; one clear message each, and nothing lost."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dse.run_directory import RunDirectory
from dse.sweep import sweep
from tests.studies import points, quiet, study_of

CONFIG = """
schema: 1
name: tiny
workloads: [resnet20-cifar10]
space:
  pe_type: [int16]
  rows: [8, 12]
  cols: [14, 16]
  glb_kib: [64, 108]
"""
LONG = (
    CONFIG.replace("[int16]", "[int16, int8, w4a8, lightpe1]")
    .replace("[8, 12]", "{start: 4, stop: 64, step: 1}")
    .replace("[14, 16]", "{start: 4, stop: 64, step: 1}\n  filter_spad_words: {start: 32, stop: 224, step: 4}")
)  # more than a million designs


def dse(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "cli", *arguments], capture_output=True, text=True, **options)


def children_of(process: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def until(condition: Callable[[], object], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)
    return bool(condition())


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds child processes in /proc")
def test_a_killed_sweep_frees_its_directory_at_once_and_its_workers_end(tmp_path: Path) -> None:
    (tmp_path / "long.yaml").write_text(LONG)
    command = [sys.executable, "-m", "cli", "sweep", "long.yaml", "-o", "run", "--jobs", "2"]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.DEVNULL) as sweeping:
        assert until(lambda: len(children_of(sweeping.pid)) >= 3, 20)  # two workers, the tracker of semaphores
        time.sleep(1)  # into the first blocks
        children = children_of(sweeping.pid)
        second = dse("sweep", "long.yaml", "-o", "run", "--jobs", "1", cwd=tmp_path)
        assert (second.returncode, second.stdout) == (1, "")
        assert second.stderr.startswith("error: run: another `dse sweep` is working")
        assert second.stderr.count("\n") == 1
        sweeping.send_signal(signal.SIGKILL)
    with RunDirectory(tmp_path / "run", {}).locked():
        pass
    assert until(lambda: not any(map(alive, children)), 5)


# What the system refuses.


def refused(result: subprocess.CompletedProcess[str], *words: str) -> None:
    assert result.returncode == 1, result.stderr
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1, result.stderr
    assert result.stderr.startswith("error: ")
    assert all(word in result.stderr for word in words), result.stderr


@pytest.mark.parametrize("limit_bytes", [2_000, 10_500], ids=["in the first part", "in the merge"])
def test_a_full_disk_is_one_message_and_what_was_finished_stays(limit_bytes: int, tmp_path: Path) -> None:
    study = study_of(tmp_path, CONFIG.replace("[int16]", "[int16, int8]"))
    unbroken = sweep(study, tmp_path / "unbroken", 1, False, quiet).path

    def small_disk() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, limit_bytes))

    command = ("sweep", "config.yaml", "--jobs", "1", "-o", "run")
    result = dse(*command, cwd=tmp_path, preexec_fn=small_disk)
    refused(result, "cannot be written (File too large)", "what is finished is kept")
    kept = sorted(path.name for path in (tmp_path / "run" / "parts").iterdir())
    assert kept == (["plan.json"] if limit_bytes < 9000 else ["000000.part", "000001.part", "plan.json"])
    assert not list((tmp_path / "run").glob("*.p*"))
    resumed = sweep(study, tmp_path / "run", 1, False, quiet)
    assert resumed.resumed == (len(kept) > 1)
    assert points(resumed.path) == points(unbroken)


def without_override() -> None:
    """Permissions apply to root, too, in the process that is about to start."""
    drop_from_bounding_set, override = 24, 1
    ctypes.CDLL(None).prctl(drop_from_bounding_set, override, 0, 0, 0)


@pytest.mark.parametrize("folder", ["run", "run/parts"])
def test_a_directory_without_write_permission_is_one_message(folder: str, tmp_path: Path) -> None:
    options: dict[str, Any] = {"cwd": tmp_path}
    if os.geteuid() == 0:
        if not sys.platform.startswith("linux"):
            pytest.skip("permissions do not apply to root")
        options["preexec_fn"] = without_override
    study = study_of(tmp_path, CONFIG)
    RunDirectory(tmp_path / "run", {}).parts.mkdir(parents=True)
    (tmp_path / folder).chmod(0o555)
    refused(dse("sweep", "config.yaml", "-o", "run", "--jobs", "1", **options), "Permission denied", folder)
    (tmp_path / folder).chmod(0o755)
    assert sweep(study, tmp_path / "run", 1, False, quiet).points == 8


def test_a_file_where_the_directory_should_be_is_one_message(tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(CONFIG)
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "tiny").write_text("mine")
    refused(dse("sweep", "tiny.yaml", cwd=tmp_path), "results/tiny is a file")
    refused(dse("sweep", "tiny.yaml", "-o", "tiny.yaml/run", cwd=tmp_path), "tiny.yaml/run", "Not a directory")
    assert (tmp_path / "results" / "tiny").read_text() == "mine"
