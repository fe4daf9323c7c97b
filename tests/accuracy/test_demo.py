"""What the demo is compared with, and when it agrees."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("torch")

from characterization.accuracy.demo import NETWORK, RECIPE, SEED, compare, shipped_rows
from characterization.accuracy.rows import Measured, read_measured
from characterization.accuracy.runs import Job, missing, plan
from dse.errors import InputError, RunError
from pe_library.model import list_pe_types

ROOT = Path(__file__).resolve().parents[2]
JOB = Job(NETWORK, SEED, RECIPE, ("fp32", "int8"))


def row(pe_type: str, seed: int, top1: float) -> Measured:
    digest = JOB.recipe.digest
    return Measured(RECIPE, NETWORK, "fashion-mnist", pe_type, seed, top1, 0.3, top1, 10_000, 2, 1, digest, "2", 1.0)


SHIPPED = tuple(
    row(pe_type, seed, top1)
    for pe_type, values in {"fp32": (89.0, 90.0), "int8": (88.0, 88.0)}.items()
    for seed, top1 in enumerate(values)
)


def test_an_accuracy_agrees_within_the_interval_of_one_more_seed() -> None:
    """s^2 = (0.5 + 0) / 2, two seeds: t(1) = 63.657, so the limit is 63.657 * 0.5 * sqrt(1.5) = 38.982."""
    fp32, int8 = compare([row("fp32", SEED, 51.0), row("int8", SEED, 49.0)], SHIPPED)
    assert fp32.limit == pytest.approx(38.982, abs=1e-3)
    assert (fp32.shipped, int8.shipped, fp32.seeds) == (89.5, 88.0, 2)
    assert fp32.agrees
    assert not int8.agrees


def test_the_demo_is_compared_with_other_seeds_of_its_own_recipe() -> None:
    assert shipped_rows(JOB, (*SHIPPED, row("fp32", SEED, 50.0))) == SHIPPED
    with pytest.raises(RunError, match="no two rows of recipe demo for int8"):
        shipped_rows(JOB, SHIPPED[:3])


def test_jobs_go_seed_by_seed_and_leave_out_what_has_a_row() -> None:
    jobs = plan(("resnet20-cifar10", "vgg8-cifar10"), (0, 1), "standard", ("fp32",))
    assert [(job.network, job.seed) for job in jobs] == [
        ("resnet20-cifar10", 0), ("vgg8-cifar10", 0), ("resnet20-cifar10", 1), ("vgg8-cifar10", 1)
    ]  # fmt: skip
    assert missing(JOB, SHIPPED) == JOB.pe_types
    assert missing(JOB, [row("int8", SEED, 80.0)]) == ("fp32",)


def test_a_shipped_seed_agrees_with_the_shipped_rows_and_a_network_that_learned_less_does_not() -> None:
    job = plan((NETWORK,), (SEED,), RECIPE, list_pe_types())[0]
    shipped = shipped_rows(job, read_measured())
    one = [each for each in shipped if each.seed == 1]
    assert all(each.agrees for each in compare(one, shipped))
    worse = [replace(each, top1_percent=each.top1_percent - 2) for each in one]
    assert not any(each.agrees for each in compare(worse, shipped))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--network", "vgg9-cifar10"], "did you mean `vgg8-cifar10`?"),
        (["--recipe", "standart"], "did you mean `standard`?"),
        (["--recipe", "demo", "--network", "vgg8-cifar10"], "demo is not for this data set"),
    ],
)
def test_wrong_options_end_with_one_line(options: list[str], message: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "characterization.accuracy", "train", *options],
        capture_output=True, text=True, cwd=ROOT, env={**os.environ, "DSE_CACHE": str(tmp_path)}, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_an_unknown_network_is_refused_before_training() -> None:
    with pytest.raises(InputError):
        plan(("resnet-cifar10-w8-16-32-d1-1-9",), (0,), "alone", ("fp32",))
