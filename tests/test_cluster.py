"""A Dask cluster: the bytes of a local run, workers that die or come late, and one clear message for all else."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from dse import cluster
from dse import sweep as sweep_module
from dse.cluster import installed
from dse.config import Study, load_study
from dse.errors import InputError, RunError
from dse.sweep import Progress, sweep
from tests.studies import points, quiet

pytest.importorskip("distributed", reason="needs the extra `cluster`")

CONFIG = """
schema: 1
name: tiny
workloads: [resnet20-cifar10]
space:
  pe_type: [int16, int8]
  rows: [8, 12]
  cols: [14, 16]
  glb_kib: [64, 108]
  dram_gb_s: [1, 8]
"""
WORKER = "from distributed.cli.dask_worker import main; main()"
WORKER_OPTIONS = ("--nthreads", "1", "--no-nanny", "--no-dashboard")


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    """32 designs in 16 blocks."""
    monkeypatch.setattr(sweep_module, "BLOCK_DESIGNS", 2)
    (tmp_path / "config.yaml").write_text(CONFIG)
    return load_study(tmp_path / "config.yaml")


@contextmanager
def process(folder: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process that is killed in the end."""
    quiet: Any = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen([sys.executable, *arguments], cwd=folder, **quiet) as started:
        try:
            yield started
        finally:
            started.kill()


@contextmanager
def scheduler(folder: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A scheduler on a free port: its address and process."""
    file = folder / "scheduler.json"
    options = ("--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(file))
    with process(folder, "-m", "distributed.cli.dask_scheduler", *options) as started:
        end = time.monotonic() + 30
        while not (file.exists() and file.read_text().endswith("}")):
            assert time.monotonic() < end
            time.sleep(0.05)
        yield json.loads(file.read_text())["address"], started


def worker(folder: Path, address: str, before: str = "") -> Any:
    """A worker with one thread, in whose process `before` is run first."""
    return process(folder, "-c", f"{before}\n{WORKER}", address, *WORKER_OPTIONS)


def test_a_run_of_two_workers_has_the_bytes_of_a_local_one_though_one_is_killed(study: Study, tmp_path: Path) -> None:
    said: list[str] = []
    with scheduler(tmp_path) as (address, _), worker(tmp_path, address) as one, worker(tmp_path, address) as two:

        def kill_one(progress: Progress) -> None:
            if progress.done >= 8:
                one.send_signal(signal.SIGKILL)

        run = sweep(study, tmp_path / "cluster", 1, False, kill_one, address, said.append).path
        assert one.wait(5) == -signal.SIGKILL
        assert two.poll() is None
    assert points(run) == points(sweep(study, tmp_path / "local", 1, False, quiet).path)
    assert all(text.startswith("no worker at") for text in said)


@pytest.mark.slow
def test_without_a_worker_it_says_so_and_waits_and_without_a_scheduler_it_ends_resumable(
    study: Study, tmp_path: Path
) -> None:
    said: list[str] = []
    with scheduler(tmp_path) as (address, scheduling), ExitStack() as late:

        def start_worker(text: str) -> None:
            said.append(text)
            late.enter_context(worker(tmp_path, address))

        def kill_scheduler(progress: Progress) -> None:
            if progress.done >= 8:
                scheduling.send_signal(signal.SIGKILL)

        with pytest.raises(RunError, match=r"scheduler at \S+ is lost; what is finished is kept"):
            sweep(study, tmp_path / "run", 1, False, kill_scheduler, address, start_worker)
    assert said == [f"no worker at {address}: waiting; `dask worker {address} --nthreads 1` starts one"]
    assert 4 <= len(list((tmp_path / "run" / "parts").glob("*.part"))) < 16
    run = sweep(study, tmp_path / "run", 1, False, quiet)
    assert run.resumed
    assert points(run.path) == points(sweep(study, tmp_path / "local", 1, False, quiet).path)


@pytest.mark.parametrize(
    ("before", "difference"),
    [
        ("import dse; dse.__version__ = '0.0.9'", r"worker tcp://\S+: dse 0\.0\.9, here \d"),
        ("import dse.provenance as p; p.pe_sha256 = lambda *_: 'f00d'", r"worker tcp://\S+: int16 f00d, here \w{64}"),
        ("import sys; sys.modules['dse'] = None", r"worker tcp://\S+ has no dse that answers"),
    ],
)  # fmt: skip
def test_a_worker_with_another_dse_is_refused_before_it_works(
    before: str, difference: str, study: Study, tmp_path: Path
) -> None:
    with (
        scheduler(tmp_path) as (address, _),
        worker(tmp_path, address, before),
        pytest.raises(RunError, match=f"^workers must have the dse of this machine. {difference}"),
    ):
        sweep(study, tmp_path / "run", 1, False, quiet, address, lambda _: None)
    assert not list((tmp_path / "run" / "parts").glob("*.part"))


@pytest.mark.slow
def test_a_worker_with_another_dse_that_comes_late_is_refused_too(study: Study, tmp_path: Path) -> None:
    with scheduler(tmp_path) as (address, _), worker(tmp_path, address), ExitStack() as late:

        def start_late(progress: Progress) -> None:
            if progress.done == 4:
                late.enter_context(worker(tmp_path, address, "import dse; dse.__version__ = '0.0.9'"))
                time.sleep(4)

        with pytest.raises(RunError, match=r"^workers must have the dse of this machine. worker .* dse 0\.0\.9"):
            sweep(study, tmp_path / "run", 1, False, start_late, address, lambda _: None)
    assert list((tmp_path / "run" / "parts").glob("*.part"))


def test_what_a_result_depends_on_is_the_version_the_code_and_every_pe_of_the_space(study: Study) -> None:
    found = installed(study.space)
    assert set(found) == {"dse", "code and data", "int16", "int8"}
    assert all(re.fullmatch(r"[0-9a-f]{64}", found[name]) for name in found if name != "dse")


def test_a_scheduler_out_of_reach_is_one_message_and_removes_nothing(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    run = sweep(study, tmp_path / "run", 1, False, quiet).path
    before = points(run)
    monkeypatch.setattr(cluster, "CONNECT_S", 0.5)
    with pytest.raises(RunError, match=r"^no Dask scheduler can be reached at tcp://127.0.0.1:9 within 0.5 s$"):
        sweep(study, run, 1, True, quiet, "tcp://127.0.0.1:9")
    assert points(run) == before
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("address", ["", "127.0.0.1:8786", "tcp://127.0.0.1", "tcp://host:port", "http://h:1"])
def test_what_is_no_address_is_bad_input(address: str, study: Study, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--scheduler: must be tcp://HOST:PORT"):
        sweep(study, tmp_path / "run", 1, False, quiet, address)
    assert not (tmp_path / "run").exists()


def test_without_the_extra_it_names_the_pip_install(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(RunError, match=r"^distributed is missing: pip install 'dse\[cluster\]'$"):
        sweep(study, tmp_path / "run", 1, False, quiet, "tcp://127.0.0.1:8786")
