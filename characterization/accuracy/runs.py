"""Training jobs: which there are, and workers that do them. Killed at any moment they go on from the last epoch."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from characterization.accuracy.data import load_dataset
from characterization.accuracy.networks import find_network
from characterization.accuracy.quantizers import calibrate, set_pe_type
from characterization.accuracy.recipe import Recipe, find_recipe
from characterization.accuracy.rows import Measured, add_measured, read_measured, stderr_percent
from characterization.accuracy.train import (
    Report,
    calibration_images,
    fit,
    percent_of,
    plain,
    recalibrate,
    right_images,
    top1_percent,
)
from characterization.accuracy.workers import in_processes, say, unclaimed
from characterization.library import cache_dir
from dse.errors import InputError, Problem, RunError, did_you_mean
from pe_library.model import list_pe_types

Sink = Callable[[Measured, NDArray[np.bool_]], None]  # the images of the test set that are right, too


@dataclass(frozen=True)
class Job:
    """A network trained with one seed, then fine-tuned for PE types."""

    network: str
    seed: int
    recipe_name: str
    pe_types: tuple[str, ...]

    @property
    def recipe(self) -> Recipe:
        """The recipe for the network's data set."""
        return find_recipe(self.recipe_name, find_network(self.network).dataset)

    @property
    def name(self) -> str:
        """Name of the folder of its checkpoints."""
        return f"{self.network}-seed{self.seed}-{self.recipe.digest}"


def plan(networks: Sequence[str], seeds: Sequence[int], recipe: str, pe_types: tuple[str, ...]) -> tuple[Job, ...]:
    """All jobs, all networks with one seed before the next. Raises InputError for what cannot be trained."""
    unknown = [each for each in pe_types if each not in list_pe_types()]
    if unknown:
        hints = (Problem("pe_type", "unknown PE type", each, did_you_mean(each, list_pe_types())) for each in unknown)
        raise InputError(list(hints))
    jobs = tuple(Job(network, seed, recipe, pe_types) for seed in seeds for network in networks)
    for job in jobs:
        find_recipe(recipe, find_network(job.network).dataset)
    return jobs


def checkpoints() -> Path:
    """Folder of all checkpoints."""
    return cache_dir() / "training"


def train_base(job: Job, folder: Path, report: Report) -> tuple[nn.Module, float]:
    """The FP32 network of a job, and the CPU seconds that its training took."""
    network = find_network(job.network)
    net = network.build(job.seed)
    dataset, checkpoint = load_dataset(network.dataset), folder / "base.pt"
    return net, fit(net, plain(net), dataset, job.recipe, "base", job.seed, checkpoint, report)


def measure(
    job: Job, pe_type: str, base: nn.Module, base_cpu_s: float, folder: Path, report: Report
) -> tuple[Measured, NDArray[np.bool_]]:
    """Quantize the base network for a PE type, test it, fine-tune it and test it again; which test images are right."""

    def tell(text: str) -> None:
        report(f"{pe_type} {text}")

    recipe, dataset = job.recipe, load_dataset(find_network(job.network).dataset)
    statistics = calibration_images(dataset, recipe.recalibration_images)
    net = copy.deepcopy(base)
    set_pe_type(net, pe_type)
    calibrate(net, calibration_images(dataset, recipe.calibration_images))
    recalibrate(net, statistics)
    ptq = top1_percent(net, dataset.test)
    cpu_s = fit(net, plain(net), dataset, recipe, "tune", job.seed, folder / f"tune-{pe_type}.pt", tell)
    recalibrate(net, statistics)
    right = right_images(net, dataset.test)
    top1 = percent_of(right)
    tell(f"top-1 {top1:.2f} %, not tuned {ptq:.2f} %")
    row = Measured(
        recipe=recipe.name,
        network=job.network,
        dataset=dataset.name,
        pe_type=pe_type,
        seed=job.seed,
        top1_percent=top1,
        stderr_percent=stderr_percent(top1, len(dataset.test.labels)),
        ptq_percent=ptq,
        test_images=len(dataset.test.labels),
        base_epochs=recipe.base.epochs,
        tune_epochs=recipe.tune.epochs,
        recipe_sha256=recipe.digest,
        torch=torch.__version__,
        cpu_s=base_cpu_s + cpu_s,
    )
    return row, right


def missing(job: Job, rows: Iterable[Measured]) -> tuple[str, ...]:
    """The PE types of a job that have no row yet."""
    known = {row.key for row in rows}
    return tuple(each for each in job.pe_types if (job.network, each, job.recipe.digest, job.seed) not in known)


def run_job(job: Job, folder: Path, sink: Sink, report: Report) -> None:
    """Train what is missing of a job; each row goes to `sink` as soon as it is known."""
    todo = missing(job, read_measured())
    if not todo:
        return
    base, cpu_s = train_base(job, folder, report)
    for pe_type in todo:
        sink(*measure(job, pe_type, base, cpu_s, folder, report))
        (folder / f"tune-{pe_type}.pt").unlink(missing_ok=True)


def work(jobs: Sequence[Job]) -> None:
    """Do the jobs that no other process is at, in order."""
    for job in unclaimed(jobs, lambda job: _folder(job) / "lock"):
        run_job(job, _folder(job), add_measured, partial(say, f"{job.network} seed {job.seed}"))


def _folder(job: Job) -> Path:
    """Where the checkpoints of a job are."""
    path = checkpoints() / job.name
    path.mkdir(parents=True, exist_ok=True)
    return path


def train(jobs: Sequence[Job], processes: int) -> None:
    """Do all jobs with several processes. Raises RunError while other processes are at some of them."""
    for dataset in {find_network(job.network).dataset for job in jobs}:
        load_dataset(dataset)  # downloaded once, before several processes want it
    in_processes(processes, partial(work, jobs))
    left = sum(len(missing(job, read_measured())) for job in jobs)
    if left:
        raise RunError(f"other processes are still at {left} rows: run this again later")
