"""Accuracy as a metric of studies: which networks compete, what a run holds, fronts over networks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import yaml

from dse.block_points import block_points
from dse.config import Study, load_study
from dse.errors import InputError
from dse.kept import Kept, Tally
from dse.optimize import optimize
from dse.pruned.search import can_prune, grid_points, mapped_points
from dse.report.full import pareto
from dse.report.run import open_run
from dse.sweep import sweep
from dse.terminal.outcome import NONE_USABLE, outcome, search_outcome
from tests.studies import quiet
from workloads.families import FAMILIES

HEADER = "network,pe_type,accuracy_percent,evidence,source,dataset,error_percent"
FAMILY = FAMILIES["resnet-cifar10"]
AXES = {"width1": [8, 16], "width2": [17], "width3": [32, 64], "depth2": [1], "depth3": [1]}  # 8, of no table
SPACE = {
    "pe_type": ["int8", "lightpe1"], "rows": [8, 12, 16], "cols": [8, 14], "glb_kib": [64, 108], "dram_gb_s": [1, 4],
    "clock_mhz": ["max", 100],
}  # fmt: skip


def study_of(folder: Path, rows: list[str], **changes: Any) -> Study:
    content = {
        "schema": 1, "name": "joint", "architectures": {"family": "resnet-cifar10", "axes": AXES}, "space": SPACE,
        "accuracy": {"tables": ["mine.csv"]}, "objectives": ["accuracy", "perf_per_area", "energy"], "keep": "front",
        **changes,
    }  # fmt: skip
    (folder / "mine.csv").write_text("\n".join([HEADER, *rows]) + "\n")
    (folder / "again.csv").write_text("\n".join([HEADER, *rows[:1]]) + "\n")
    (folder / "study.yaml").write_text(yaml.safe_dump(content))
    return load_study(folder / "study.yaml")


def rows_of(seed: int = 0, missing: int = 0, pe_types: Sequence[str] = SPACE["pe_type"]) -> list[str]:
    """Accuracies of the family that rise with its MACs, but for noise; made up, as `source` says."""
    rng, members = np.random.default_rng(seed), FAMILY.members(AXES)
    return [
        f"{each.name},{pe_type},{60 + each.macs / 1e6 + rng.normal():.2f},measured,made up for a test,images,0.4"
        for each in members[missing:]
        for pe_type in pe_types
    ]


def evaluated(study: Study, number: int) -> pa.Table:
    kept, grid = Kept(study), study.space.grids[number]
    for block in grid.blocks(500):
        kept = kept.plus(block_points(study, block), Tally())
    return kept.table()


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"objectives": ["accuracy", "energy"]},
        {"objectives": ["perf_per_area", "accuracy", "latency", "area"]},
        {"constraints": {"accuracy": {"min": 66}}},
        {"objectives": ["energy", "perf_per_area"], "constraints": {"accuracy": {"min": 64}}},
        {"constraints": {"accuracy_drop": {"max": 0}}},
        {"constraints": {"accuracy_drop": {"min": -2.5, "max": -0.1}}, "objectives": ["accuracy", "energy"]},
    ],
)
def test_the_front_over_networks_and_accelerators_is_that_of_evaluating_every_pair(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    study = study_of(tmp_path, rows_of(pe_types=[*SPACE["pe_type"], "fp32"]), **changes)
    assert can_prune(study)
    for number, grid in enumerate(study.space.grids):
        expected = evaluated(study, number)
        assert expected.num_rows
        assert grid_points(study, grid, None).equals(expected)
        assert mapped_points(study, grid, grid.blocks(100))[0].equals(expected)


def test_networks_of_one_data_set_compete_where_accuracy_is_an_objective(tmp_path: Path) -> None:
    rows = [*rows_of(), "vgg16,int8,70,measured,made up,others,0.4", "vgg16,lightpe1,70,measured,made up,others,0.4"]
    study = study_of(tmp_path, rows, workloads=["vgg16"])
    assert study.contests == ((0,), tuple(range(1, 9)))
    alone = study_of(tmp_path, rows, workloads=["vgg16"], objectives=["perf_per_area", "energy"])
    assert alone.contests == tuple((number,) for number in range(9))


def test_points_carry_accuracy_and_evidence_and_null_where_it_is_not_known(tmp_path: Path) -> None:
    study = study_of(tmp_path, rows_of(missing=1), accuracy={}, objectives=["energy"])
    assert all(workload.accuracy("int8") is None for workload in study.workloads)
    (tmp_path / "mine.csv").write_text("\n".join([HEADER, *rows_of(missing=1)]))
    study = study_of(tmp_path, rows_of(missing=1), objectives=["energy"])
    table = block_points(study, next(study.space.blocks(4)))
    known = np.repeat([False] + [True] * 7, 4)
    assert (table["accuracy_percent"].is_valid().to_numpy() == known).all()
    assert (table["accuracy_evidence"].is_valid().to_numpy() == known).all()
    assert set(table["accuracy_evidence"].to_pylist()) == {None, "measured"}


def test_a_network_of_unknown_accuracy_is_on_no_front_with_accuracy(tmp_path: Path) -> None:
    rows = [row for row in rows_of() if "w8-17-32-d2" not in row]
    shared = {"objectives": ["accuracy", "energy"]}
    study = study_of(tmp_path, rows, **shared, accuracy={"tables": ["mine.csv"]})
    for number, grid in enumerate(study.space.grids):
        expected = evaluated(study, number)
        assert not any("w8-17-32-d2" in name for name in expected["workload"].to_pylist())
        assert grid_points(study, grid, None).equals(expected)


@pytest.mark.parametrize(
    ("rows", "changes", "message"),
    [
        ([], {"accuracy": {}}, "accuracy: no accuracy is known of any network of this study"),
        (rows_of()[1:], {}, "no accuracy of resnet-cifar10-w8-17-32-d1-1-1 on int8"),
        (rows_of(), {"accuracy": {"tables": ["none.csv"]}}, "accuracy.tables[0]: "),
        (["resnet50,int8,70,measured,x,y,0.4"], {}, "unknown network, got 'resnet50'"),
        (rows_of(), {"architectures": {"family": "resnet"}}, "unknown family, got 'resnet'"),
        (rows_of(), {"architectures": {"family": "resnet-cifar10", "axes": {"width": [8]}}}, "unknown axis"),
        (rows_of(), {"architectures": {"family": "resnet-cifar10", "axes": {"width1": []}}}, "must not be empty"),
        (rows_of(), {"architectures": {"family": "resnet-cifar10", "axes": {"width1": [0]}}}, "must be at least 1"),
        (rows_of(), {"architectures": {"family": "resnet-cifar10", "axes": {"width1": [8, 8]}}}, "must differ"),
        (
            rows_of(),
            {"architectures": {"family": "resnet-cifar10", "axes": {axis: [*range(1, 101)] for axis in FAMILY.axes}}},
            "must give at most 1000 networks in all, got 1000000000000",
        ),
        (rows_of(), {"architectures": None, "accuracy": {}}, "workloads: required key is missing"),
        (rows_of(), {"objectives": ["accuracy"]}, "must hold a metric of the accelerator"),
        (rows_of(), {"objectives": ["accuracy_drop", "energy"]}, "no accuracy_drop is known"),
        (rows_of(), {"objectives": ["accuracy", "energy", "accuracy_drop"]}, "no accuracy_drop is known"),
        (rows_of(), {"constraints": {"accuracy": {"min": 0.9}}}, "constraints.accuracy.min: must be a percentage"),
        (rows_of(), {"constraints": {"accuracy": {"max": 120}}}, "got 120.0 (90, not 0.9)"),
        (rows_of(), {"accuracy": {"tables": ["mine.csv", "again.csv"]}}, "again.csv repeats what mine.csv has"),
        ([*rows_of()[1:], rows_of()[0].replace(",images", ",others")], {}, "must be of one data set"),
        (rows_of(), {"accuracy": {"evidence": ["guessed"]}}, "unknown level of evidence"),
    ],
)
def test_faults_are_named(tmp_path: Path, rows: list[str], changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=r".") as caught:
        study_of(tmp_path, rows, **changes)
    assert len(caught.value.problems) == 1
    assert message in str(caught.value.problems[0])


def test_the_next_command_asks_for_what_the_run_kept(tmp_path: Path) -> None:
    both = ["accuracy", "energy"]
    for name, keep, metrics in (("top", {"top": 5}, both[:1]), ("front", "front", both), ("all", "all", both)):
        study = study_of(tmp_path, rows_of(), objectives=both, keep=keep)
        summary = sweep(study, tmp_path / name, 1, False, quiet)
        following = outcome(study, summary)[1]
        assert following.split("--metric ")[1:] == [*(f"{name} " for name in metrics[:-1]), metrics[-1]]
        assert pareto(open_run(summary.path), metrics, tmp_path).messages


def test_a_run_without_a_usable_design_says_so_and_no_next_command(tmp_path: Path) -> None:
    limits = {"constraints": {"area": {"max": 0.01}}, "optimize": {"evaluations": 50, "population": 10}}
    study = study_of(tmp_path, rows_of(), **limits)
    assert outcome(study, sweep(study, tmp_path / "sweep", 1, False, quiet))[1] == NONE_USABLE
    found = optimize(study, tmp_path / "search", False, quiet)
    assert search_outcome(study, study.optimization, found)[1] == NONE_USABLE


def test_members_of_a_family_are_named_by_their_axes_and_all_differ() -> None:
    members = FAMILY.members({})
    assert len(members) == len({each.name for each in members}) == 216
    wide = FAMILY.members({"width1": [99]})
    assert len(wide) == 72
    assert all("w99-" in each.name for each in wide)


def test_a_limit_on_the_drop_keeps_the_networks_that_just_meet_it(tmp_path: Path) -> None:
    drops = {"fp32": 0.0, "int8": 1.0, "lightpe1": 1.01}
    rows = [
        f"{each.name},{pe_type},{70.1 - drop:.2f},measured,made up for a test,images,0.4"
        for each in FAMILY.members(AXES)
        for pe_type, drop in drops.items()
    ]
    space = {**SPACE, "pe_type": list(drops)}
    study = study_of(tmp_path, rows, constraints={"accuracy_drop": {"max": 1}}, space=space)
    left = {grid.pe_type: grid_points(study, grid, None).num_rows for grid in study.space.grids}
    assert left["fp32"]
    assert left["int8"]
    assert not left["lightpe1"]


def test_a_user_s_row_at_a_level_that_does_not_count_never_loses_silently_to_a_shipped_one(tmp_path: Path) -> None:
    row = "vgg8-cifar10,int8,50,ranked,made up for a test,cifar10,0.4"
    changes = {"architectures": None, "workloads": ["vgg8-cifar10"], "objectives": ["energy"]}
    with pytest.raises(InputError, match=r"accuracy.evidence: must have `ranked` for vgg8-cifar10 on int8 of mine.csv"):
        study_of(tmp_path, [row], **changes)
    study = study_of(tmp_path, [row], **changes, accuracy={"tables": ["mine.csv"], "evidence": ["ranked"]})
    assert study.workloads[0].accuracy_and_drop("int8")[0] == 50


def test_networks_compete_on_named_data_sets_only(tmp_path: Path) -> None:
    rows = [f"{name},{pe},70,measured,made up,,0.4" for name in ("alexnet", "fsrcnn-x2") for pe in SPACE["pe_type"]]
    changes = {"architectures": None, "workloads": ["alexnet", "fsrcnn-x2"]}
    with pytest.raises(InputError, match="column `dataset` must name that of alexnet, fsrcnn-x2"):
        study_of(tmp_path, rows, **changes)
    assert len(study_of(tmp_path, rows, **changes, objectives=["energy"]).contests) == 2


def test_a_user_s_row_without_a_data_set_has_that_of_the_shipped_accuracies_of_its_network(tmp_path: Path) -> None:
    rows = [f"resnet20-cifar10,{pe},70,measured,made up,,0.4" for pe in SPACE["pe_type"]]
    study = study_of(tmp_path, rows, architectures=None, workloads=["resnet20-cifar10", "vgg8-cifar10"])
    assert study.contests == ((0, 1),)
