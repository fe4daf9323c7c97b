"""Scores of all members of the family, and pairs of them trained alone."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import chain
from pathlib import Path

import torch
from filelock import FileLock, Timeout

from characterization.accuracy.recipe import Recipe, find_recipe
from characterization.accuracy.rows import PAIRS, RANKED, read_rows, stderr_percent, write_rows
from characterization.accuracy.runs import Job, plan, say
from characterization.accuracy.supernet import (
    DATASET,
    HELDOUT_IMAGES,
    SEED,
    draws,
    folder,
    load_split,
    load_weights,
    score_percent,
    train_shared,
    tune_shared,
)
from dse.config.options import load_names
from dse.errors import RunError
from pe_library.model import list_pe_types
from workloads.families import members

PAIR_COUNT = 20


def choose_pairs(path: Path = PAIRS) -> None:
    """Draw the pairs to train alone and write their file, where there is none yet."""
    if not path.exists():
        comment = f"drawn by numpy's default generator with seed {SEED}, before any score was known"
        pairs = [{"network": name, "pe_type": pe_type} for name, pe_type in draws(PAIR_COUNT)]
        write_rows(path, pairs, [comment])


def alone_jobs(pairs: Sequence[tuple[str, str]], seeds: Sequence[int]) -> tuple[Job, ...]:
    """Training jobs of pairs, one per network and seed, all networks with one seed before the next.

    Raises InputError for networks that cannot be trained and PE types that there are not.
    """
    load_names([pe_type for _, pe_type in pairs], "pe_type", "PE type", list_pe_types())
    by_network: dict[str, list[str]] = {}
    for name, pe_type in pairs:
        by_network.setdefault(name, []).append(pe_type)
    jobs = (plan([name], [seed], "alone", tuple(own)) for seed in seeds for name, own in by_network.items())
    return tuple(chain.from_iterable(jobs))


def train_weights(processes: int) -> None:
    """Choose the pairs, then train the shared weights, in one process, and tune them for all PE types, in several.

    Raises RunError while another process trains the shared weights, or still tunes some.
    """
    recipe = find_recipe("supernet", DATASET)
    choose_pairs()
    folder(recipe).mkdir(parents=True, exist_ok=True)
    _pooled(1, _train_shared, recipe)
    _pooled(processes, _tune_some, recipe)
    for pe_type in list_pe_types():
        load_weights(recipe, pe_type)


def score_all(processes: int) -> None:
    """Score all pairs, members that have a score already left out; write `ranked.csv` when all are there.

    Raises RunError before the weights are trained, and while other processes still score some members.
    """
    recipe = find_recipe("supernet", DATASET)
    for pe_type in list_pe_types():
        load_weights(recipe, pe_type)
    (folder(recipe) / "scores").mkdir(exist_ok=True)
    _pooled(processes, _score_some, recipe)
    rows = [row for name in members() for row in read_rows(_scores_file(recipe, name))]
    left = len(members()) - len({row["network"] for row in rows})
    if left:
        raise RunError(f"other processes are still at the scores of {left} networks: run `score` again later")
    write_rows(RANKED, rows, [f"top-1 on {HELDOUT_IMAGES} training images held out, weights shared: ranks, see docs"])


def _pooled(processes: int, work: Callable[[Recipe], None], recipe: Recipe) -> None:
    with ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn")) as pool:
        for future in [pool.submit(work, recipe) for _ in range(processes)]:
            future.result()


def _train_shared(recipe: Recipe) -> None:
    torch.set_num_threads(1)
    try:
        with FileLock(folder(recipe) / "lock", timeout=0):
            train_shared(recipe, load_split()[0], partial(say, "supernet"))
    except Timeout as error:
        raise RunError("another process is training the supernet") from error


def _tune_some(recipe: Recipe) -> None:
    """Tune for the PE types that no other process is at, in order, with one thread."""
    torch.set_num_threads(1)
    dataset = load_split()[0]
    for pe_type in list_pe_types():
        try:
            with FileLock(folder(recipe) / f"tuned-{pe_type}.lock", timeout=0):
                tune_shared(recipe, pe_type, dataset, partial(say, f"supernet {pe_type}"))
        except Timeout:
            continue


def _score_some(recipe: Recipe) -> None:
    """Score the members that no other process is at, in order, with one thread."""
    torch.set_num_threads(1)
    dataset, heldout = load_split()
    weights = {pe_type: load_weights(recipe, pe_type) for pe_type in list_pe_types()}
    for number, name in enumerate(members(), start=1):
        path = _scores_file(recipe, name)
        try:
            with FileLock(path.with_suffix(".lock"), timeout=0):
                if path.exists():
                    continue
                scores = {
                    pe_type: score_percent(own, name, pe_type, dataset, heldout, recipe)
                    for pe_type, own in weights.items()
                }
                write_rows(path, [_row(recipe, name, pe_type, score) for pe_type, score in scores.items()])
        except Timeout:
            continue
        say("score", f"{number}/{len(members())} {name} {' '.join(f'{score:.1f}' for score in scores.values())}")


def _scores_file(recipe: Recipe, name: str) -> Path:
    return folder(recipe) / "scores" / f"{name}.csv"


def _row(recipe: Recipe, name: str, pe_type: str, score: float) -> dict[str, str]:
    return {
        "network": name,
        "dataset": DATASET,
        "pe_type": pe_type,
        "score_percent": f"{score:.2f}",
        "stderr_percent": f"{stderr_percent(score, HELDOUT_IMAGES):.3f}",
        "heldout_images": str(HELDOUT_IMAGES),
        "base_epochs": str(recipe.base.epochs),
        "tune_epochs": str(recipe.tune.epochs),
        "seed": str(SEED),
        "recipe_sha256": recipe.digest,
        "torch": torch.__version__,
        "evidence": "ranked",
    }
