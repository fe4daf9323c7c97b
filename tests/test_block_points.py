"""A block's rows: the same whatever pieces it is evaluated in, and a design that fails is one flagged row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from dse import block_points as module
from dse.block_points import FAILED, MAX_TRIES, block_points, failed_points
from dse.config import Study, load_study
from dse.errors import RunError
from dse.evaluate import Evaluation, evaluate
from dse.payload import encode
from dse.points import SCHEMA
from dse.space import Block, Designs
from dse.sweep import sweep
from workloads.layer import Workload

CONFIG = """
schema: 1
name: tiny
workloads: [resnet20-cifar10, fsrcnn-x2]
space:
  pe_type: [int16]
  dataflow: [row_stationary, weight_stationary]
  rows: [8, 12]
  cols: [14]
  glb_kib: [64, 108]
  dram_gb_s: [1, 8]
  clock_mhz: [max, 150]
"""


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    path = tmp_path_factory.mktemp("config") / "config.yaml"
    path.write_text(CONFIG)
    return load_study(path)


@pytest.fixture(scope="module")
def block(study: Study) -> Block:
    return next(study.space.blocks(1024))


def break_evaluate(
    monkeypatch: pytest.MonkeyPatch, at_fault: Callable[[Designs, Sequence[Workload]], bool], error: Exception
) -> list[int]:
    """`evaluate` raises where `at_fault` says so; returns the numbers of designs of each call."""
    calls: list[int] = []

    def broken(designs: Designs, workloads: Sequence[Workload], *others: Any) -> list[Evaluation]:
        calls.append(int(np.prod(designs.shape)))
        if at_fault(designs, workloads):
            raise error
        return evaluate(designs, workloads, *others)

    monkeypatch.setattr(module, "evaluate", broken)
    return calls


def at(rows: int, glb_kib: int, dram_gb_s: float) -> Callable[[Designs, Sequence[Workload]], bool]:
    """Whether these designs are among those evaluated, at any clock."""
    wanted = {"rows": rows, "glb_kib": glb_kib, "dram_gb_s": dram_gb_s}
    return lambda designs, _: bool(
        np.logical_and.reduce([designs.column(name) == value for name, value in wanted.items()]).any()
    )


@pytest.mark.parametrize("error", [MemoryError(), ZeroDivisionError("a bug"), IndexError("x" * 999), KeyError("\n")])
def test_a_design_that_fails_is_a_flagged_row_and_all_others_are_as_without_it(
    error: Exception, study: Study, block: Block, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound = block_points(study, block).to_pylist()
    break_evaluate(monkeypatch, at(12, 64, 8.0), error)
    table = block_points(study, block)
    assert table.schema == SCHEMA
    rows = table.to_pylist()
    broken = [row for row in rows if (row["rows"], row["glb_kib"], row["dram_gb_s"]) == (12, 64, 8.0)]
    assert len(broken) == 4 == failed_points(table)  # two clocks, two workloads
    for row, before in zip(rows, sound, strict=True):
        if row not in broken:
            assert row == before
            continue
        assert row["feasible"] is False
        assert row["reason"].startswith(FAILED + type(error).__name__)
        assert "\n" not in row["reason"]
        assert len(row["reason"]) <= module.MAX_REASON
        axes = [name for name in SCHEMA.names[: SCHEMA.get_field_index("clock_mhz")] if name != "reason"]
        assert [row[name] for name in axes] == [before[name] for name in axes]
        results = [row[name] for name in SCHEMA.names[SCHEMA.get_field_index("reason") + 1 :]]
        assert {value for value in results if not isinstance(value, int)} == {None}
        assert row["clock_mhz"] is None


def test_a_network_that_fails_takes_no_other_with_it(
    study: Study, block: Block, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound = block_points(study, block)
    break_evaluate(monkeypatch, lambda _, workloads: "fsrcnn-x2" in [w.name for w in workloads], ValueError("bad"))
    table = block_points(study, block)
    half = len(block.design_ids)
    assert table[:half].to_pylist() == sound[:half].to_pylist()
    assert set(table["reason"][half:].to_pylist()) == {f"{FAILED}ValueError: bad"}


@pytest.mark.parametrize("limit", [3, 9])
def test_a_block_too_large_for_the_memory_gives_the_same_bytes_in_pieces(
    limit: int, study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    for block in study.space.blocks(1024):
        whole = encode(block_points(study, block))
        with monkeypatch.context() as patch:
            calls = break_evaluate(patch, lambda designs, _: int(np.prod(designs.shape)) > limit, MemoryError())
            assert encode(block_points(study, block)) == whole
        assert max(calls) == len(block.design_ids) > limit


def test_where_every_design_fails_the_effort_is_bounded(
    study: Study, block: Block, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_TRIES", 8)
    calls = break_evaluate(monkeypatch, lambda *_: True, ArithmeticError("all"))
    table = block_points(study, block)
    assert failed_points(table) == table.num_rows == 2 * len(block.design_ids)
    assert len(calls) <= 1 + 2 * (8 + len(block.design_ids).bit_length())
    assert table["design_id"].to_pylist() == [*block.design_ids, *block.design_ids]
    assert MAX_TRIES >= 2 * 10 * 12  # singles out ten of the largest block


@pytest.mark.parametrize("error", [OSError(24, "Too many open files"), ImportError("gone"), RunError("stop")])
def test_what_is_not_the_fault_of_a_design_ends_the_run(
    error: Exception, study: Study, block: Block, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_evaluate(monkeypatch, lambda *_: True, error)
    with pytest.raises(type(error)):
        block_points(study, block)


def test_a_sweep_with_a_failing_design_ends_and_counts_it(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_evaluate(monkeypatch, at(8, 108, 1.0), RuntimeError("bug"))
    summary = sweep(study, tmp_path / "run", 1, False, lambda _: None)
    assert summary.failed == 8  # two clocks, dataflows, workloads
    assert summary.points == 2 * summary.designs == 2 * study.space.size
    assert sweep(study, tmp_path / "run", 1, False, lambda _: None).failed == 8


def test_only_reasons_of_failure_count_as_failed() -> None:
    reasons = pa.chunked_array([pa.array(texts).dictionary_encode() for texts in (["", "too big"], [f"{FAILED}x", ""])])
    assert failed_points(pa.table({"reason": reasons})) == 1
