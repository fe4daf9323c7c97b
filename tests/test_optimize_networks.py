"""Searches led by the compiled search, and searches over pairs of networks that compete and designs."""

from __future__ import annotations

import csv
import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dse import optimize as module
from dse.config import Study
from dse.errors import InputError
from dse.optimize import optimize, scorer
from dse.optimizers import list_algorithms
from dse.optimizers._candidates import networks_of, runs_of
from dse.optimizers._full import full_points
from dse.optimizers._lattice import Lattice, Networks
from dse.optimizers._scores import INFEASIBLE, scores_of
from dse.pareto import non_dominated
from dse.pruned.search import can_prune
from dse.report.full import report
from dse.report.run import open_run
from dse.sweep import sweep
from dse.terminal.outcome import unrated
from tests.studies import quiet
from tests.test_accuracy import SPACE, rows_of, study_of

COLUMNS = ("accuracy_percent", "perf_per_area_inf_s_mm2", "energy_mj")
PAIRS = 8 * 96
OPTIONS = {"evaluations": 250, "population": 20, "seed": 2}
BYTES = ("points.parquet", "front.csv", "convergence.csv", "convergence.png", "convergence.pdf")
VARIANTS: dict[str, dict[str, Any]] = {
    "pairs": {},
    "pairs, limited accuracy": {"constraints": {"accuracy": {"min": 64}}},
    "pairs, metrics without bounds": {"objectives": ["accuracy", "power"]},
    "designs": {"objectives": ["latency", "energy"]},
    "designs, constraints": {
        "objectives": ["latency", "energy"],
        "constraints": {"area": {"max": 1.2}, "utilization": {"min": 0.5}},
    },
    "single networks beside a family": {"workloads": ["alexnet", "fsrcnn-x2"]},
}


def of_variant(folder: Path, name: str, missing: int = 0, **options: Any) -> Study:
    return study_of(folder, rows_of(missing=missing), optimize=OPTIONS | options, **{"keep": "all"} | VARIANTS[name])


def digests(folder: Path) -> dict[str, str]:
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in BYTES}


def swept(study: Study, folder: Path) -> dict[tuple[str, int], dict[str, Any]]:
    """The rows of a sweep by network and design."""
    sweep(study, folder, 1, False, lambda progress: None)
    rows = pq.read_table(folder / "points.parquet").to_pylist()
    return {(row["workload"], row["design_id"]): row for row in rows}


def front_file(run: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((run / "front.csv").read_text().splitlines()[1:]))


# Pairs.


@pytest.mark.parametrize("variant", ["pairs", "pairs, metrics without bounds"])
def test_evaluates_the_pairs_it_proposes_and_writes_the_rows_of_a_sweep(tmp_path: Path, variant: str) -> None:
    study = of_variant(tmp_path, variant)
    summary = optimize(study, tmp_path / "run", False, quiet)
    assert (summary.designs, summary.space) == (250, PAIRS)
    rows = pq.read_table(tmp_path / "run" / "points.parquet").to_pylist()
    wanted = swept(study, tmp_path / "sweep")
    assert len({(row["workload"], row["design_id"]) for row in rows}) == len(rows) == 250
    assert all(row == wanted[row["workload"], row["design_id"]] for row in rows)
    meta = json.loads((tmp_path / "run" / "run.json").read_text())
    assert meta["points"] == meta["designs"] == 250
    assert meta["architectures"]["width1"] == [8, 16]


@pytest.mark.parametrize(
    ("algorithm", "variant"), [*((name, "pairs") for name in list_algorithms()), ("nsga2", "pairs, limited accuracy")]
)
def test_with_a_budget_of_all_pairs_the_front_is_the_exact_one_over_networks(
    tmp_path: Path, algorithm: str, variant: str
) -> None:
    study = of_variant(tmp_path, variant, algorithm=algorithm, evaluations=5000, stagnation=None)
    summary = optimize(study, tmp_path / "run", False, quiet)
    assert (summary.designs, summary.stopped) == (PAIRS, "exhausted")
    least = 64 if study.constraints else 0
    points = [row for row in swept(study, tmp_path / "sweep").values() if row["feasible"]]
    points = [row for row in points if row["accuracy_percent"] >= least]
    values = np.array([[row[name] for name in COLUMNS] for row in points])
    kept = np.flatnonzero(non_dominated(values, [True, True, False]))
    exact = {(points[row]["workload"], points[row]["design_id"]) for row in kept}
    found = front_file(tmp_path / "run")
    assert {(row["workload"], int(row["design_id"])) for row in found} == exact
    assert {row["accuracy_evidence"] for row in found} == {"measured"}
    assert {row["accuracy_error_percent"] for row in found} == {"0.4"}
    assert len({row["workload"] for row in found}) > 1


def test_a_network_without_a_known_accuracy_is_never_on_the_front(tmp_path: Path) -> None:
    study = of_variant(tmp_path, "pairs", missing=4, evaluations=PAIRS)
    unknown = {workload.name for workload in study.workloads[:4]}
    optimize(study, tmp_path / "run", False, quiet)
    assert not unknown & {row["workload"] for row in front_file(tmp_path / "run")}
    points = full_points(study, np.arange(PAIRS))
    violation = scores_of(study, points).violation
    assert (violation[: PAIRS // 2] >= INFEASIBLE).all()
    assert (violation[PAIRS // 2 :] == 0).any()


def test_no_budget_is_spent_on_single_networks_without_a_known_accuracy(tmp_path: Path) -> None:
    study = of_variant(tmp_path, "single networks beside a family", evaluations=2 * PAIRS, stagnation=None)
    summary = optimize(study, tmp_path / "run", False, quiet)
    assert (summary.designs, summary.space, summary.stopped) == (PAIRS, PAIRS, "exhausted")
    points = pq.read_table(tmp_path / "run" / "points.parquet")
    assert set(points["workload"].to_pylist()) == {workload.name for workload in study.workloads[2:]}
    assert unrated(study) == ("left out where accuracy counts, since none is known: alexnet; fsrcnn-x2",)
    assert "alexnet" in report(open_run(tmp_path / "run"), tmp_path)[-1].read_text()


def test_networks_without_a_known_accuracy_are_said(tmp_path: Path) -> None:
    study = of_variant(tmp_path, "pairs")
    assert unrated(study) == ()
    unknown = replace(study, workloads=(replace(study.workloads[0], accuracies=()), *study.workloads[1:]))
    name = study.workloads[0].name
    assert unrated(unknown) == (f"left out where accuracy counts, since none is known: {name}",)


def test_networks_of_several_data_sets_are_one_error(tmp_path: Path) -> None:
    rows = [row.replace("images", "others") if number < 2 else row for number, row in enumerate(rows_of())]
    study = study_of(tmp_path, rows)
    with pytest.raises(InputError, match=r"workloads: .*one data set at a time, got \['images', 'others'\]"):
        optimize(study, tmp_path / "run", False, quiet)
    assert not (tmp_path / "run").exists()


def test_an_evaluation_that_fails_takes_no_other_pair_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dse import block_points
    from dse.optimizers import _full

    def failing(bench: Any, *arguments: Any) -> Any:
        if (bench.designs.column("glb_kib") == 64).any():
            raise ZeroDivisionError("made up")
        return real(bench, *arguments)

    study, real = of_variant(tmp_path, "pairs"), _full.evaluate_layer
    ids = np.arange(0, PAIRS, 31)
    expected = full_points(study, ids).to_pylist()
    monkeypatch.setattr(_full, "evaluate_layer", failing)
    monkeypatch.setattr("dse.evaluate.evaluate_layer", failing)
    found = full_points(study, ids).to_pylist()
    assert [row["design_id"] for row in found] == [row["design_id"] for row in expected]
    for row, wanted in zip(found, expected, strict=True):
        assert (
            row["reason"].startswith(block_points.FAILED)
            if row["glb_kib"] == 64
            else row["feasible"] == wanted["feasible"]
        )


# The lattice.


def test_points_of_networks_and_designs_and_ids_are_each_others_inverse(tmp_path: Path) -> None:
    study = of_variant(tmp_path, "single networks beside a family")
    assert len(study.workloads) == 10
    lattice = Lattice.of(study.space, networks_of(study))
    ids = np.arange(lattice.size)
    assert lattice.size == 10 * study.space.size
    assert lattice.ids(lattice.points(ids)).tolist() == ids.tolist()


def test_axes_of_a_family_are_ordered_whatever_the_order_of_the_config(tmp_path: Path) -> None:
    study = study_of(tmp_path, rows_of())
    networks = Networks(0, study.architectures | {"width1": (16, 8)})
    lattice = Lattice.of(study.space, networks)
    points = lattice.points(np.arange(lattice.size))
    place = points[:, lattice.names.index("width1")]
    index = np.arange(lattice.size) // study.space.size
    assert set(place[index < 4]) == {1}
    assert set(place[index >= 4]) == {0}
    assert not lattice.nominal[lattice.names.index("width1")]


def test_members_have_the_values_of_their_axes(tmp_path: Path) -> None:
    study = of_variant(tmp_path, "single networks beside a family")
    networks = networks_of(study)
    indices = networks.indices(np.arange(networks.count))
    for number, workload in enumerate(study.workloads[2:], 2):
        axes = {name: values[indices[name][number]] for name, values in study.architectures.items()}
        widths, depths = ("-".join(str(axes[f"{name}{stage}"]) for stage in (1, 2, 3)) for name in ("width", "depth"))
        assert workload.name == f"resnet-cifar10-w{widths}-d{depths}"


# What leads the search, and what is written.


@pytest.mark.parametrize("variant", VARIANTS)
def test_scores_that_lead_the_search_are_those_of_the_points(tmp_path: Path, variant: str) -> None:
    study = of_variant(tmp_path, variant)
    size = Lattice.of(study.space, networks_of(study)).size
    ids = np.sort(np.random.default_rng(0).choice(size, 60, replace=False))
    quick, exact = scorer(study)(ids), scores_of(study, full_points(study, ids))
    assert (exact.violation == 0).any()
    assert np.array_equal(quick.violation == 0, exact.violation == 0)
    assert np.allclose(quick.violation, exact.violation, rtol=1e-9)
    assert np.allclose(quick.costs, exact.costs, rtol=1e-12)


@pytest.mark.parametrize("variant", VARIANTS)
def test_points_are_in_the_order_of_the_candidates(tmp_path: Path, variant: str) -> None:
    study = of_variant(tmp_path, variant)
    ids = np.random.default_rng(1).permutation(study.space.size)[:40]
    runs, table = runs_of(study, ids), full_points(study, ids)
    assert table["design_id"].to_pylist() == runs.designs.tolist()
    assert table["workload"].to_pylist() == [study.workloads[index].name for index in runs.networks]


@pytest.mark.parametrize("phase", ["search", "points"])
@pytest.mark.parametrize("variant", ["pairs", "designs"])
def test_killed_in_the_search_or_behind_it_goes_on_to_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variant: str, phase: str
) -> None:
    study = of_variant(tmp_path, variant)
    study = replace(study, optimization=replace(study.optimization, evaluations=90))
    monkeypatch.setattr(module, "GROUP_ROWS", 40 if variant == "pairs" else 320)
    optimize(study, tmp_path / "whole", False, quiet)
    full, done = module.full_points, list[int]()

    def limited(study: Study, ids: Any) -> pa.Table:
        if len(done) == 1 and phase == "points":
            raise KeyboardInterrupt
        done.append(len(ids))
        return full(study, ids)

    def killed(progress: Any) -> None:
        if progress.done >= 60 and phase == "search":
            raise KeyboardInterrupt

    monkeypatch.setattr(module, "full_points", limited)
    with pytest.raises(KeyboardInterrupt):
        optimize(study, tmp_path / "broken", False, killed)
    parts = len(list((tmp_path / "broken" / "parts").glob("*.part")))
    assert parts == (3 if phase == "search" else 6)
    again = list[int]()
    monkeypatch.setattr(module, "full_points", lambda study, ids: again.append(len(ids)) or full(study, ids))
    optimize(study, tmp_path / "broken", False, quiet)
    assert sum(again) == 90 - sum(done)
    assert digests(tmp_path / "broken") == digests(tmp_path / "whole")


def test_what_leads_the_search_needs_bounds(tmp_path: Path) -> None:
    led = {name: can_prune(of_variant(tmp_path, name)) for name in VARIANTS}
    assert [name for name, quick in led.items() if not quick] == ["pairs, metrics without bounds"]


def test_the_axes_of_a_family_are_part_of_what_identifies_a_search(tmp_path: Path) -> None:
    study = study_of(tmp_path, rows_of(), optimize=OPTIONS, space=SPACE)
    optimize(study, tmp_path / "run", False, quiet)
    other = replace(study, architectures={})
    with pytest.raises(InputError, match="another config"):
        optimize(other, tmp_path / "run", False, quiet)
