"""Scores of all members of the family, and pairs of them trained alone."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import torch
from filelock import FileLock, Timeout

from characterization.accuracy.rows import PAIRS, RANKED, read_rows, stderr_percent, write_rows
from characterization.accuracy.runs import Job, say
from characterization.accuracy.supernet import (
    DATASET,
    HELDOUT_IMAGES,
    SupernetRecipe,
    draws,
    load_shared,
    load_split,
    score_percent,
    train_supernet,
)
from dse.errors import RunError
from pe_library.model import list_pe_types
from workloads.families import members

PAIR_COUNT = 20
ALONE_SEED = 0


def choose_pairs(recipe: SupernetRecipe, path: Path = PAIRS) -> tuple[tuple[str, str], ...]:
    """The pairs to train alone, from their file; drawn and written first where there is none yet."""
    if not path.exists():
        comment = f"drawn by numpy's default generator with seed {recipe.seed}, before any score was known"
        pairs = [{"network": name, "pe_type": pe_type} for name, pe_type in draws(recipe, PAIR_COUNT)]
        write_rows(path, pairs, [comment])
    return tuple((row["network"], row["pe_type"]) for row in read_rows(path))


def alone_jobs(recipe: SupernetRecipe) -> tuple[Job, ...]:
    """Training jobs of the chosen pairs, one per network."""
    pairs = choose_pairs(recipe)
    names = dict.fromkeys(name for name, _ in pairs)
    return tuple(Job(each, ALONE_SEED, "alone", tuple(p for name, p in pairs if name == each)) for each in names)


def train_shared(recipe: SupernetRecipe) -> None:
    """Choose the pairs, then train the shared weights, in this process with one thread."""
    torch.set_num_threads(1)
    choose_pairs(recipe)
    recipe.folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(recipe.folder / "lock", timeout=0):
            train_supernet(recipe, load_split()[0], partial(say, "supernet"))
    except Timeout as error:
        raise RunError("another process is training the supernet") from error


def score_all(recipe: SupernetRecipe, processes: int) -> None:
    """Score all pairs, members that have a score already left out; write `ranked.csv` when all are there.

    Raises RunError before the supernet is trained, and while other processes still score some members.
    """
    load_shared(recipe)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context) as pool:
        for future in [pool.submit(_score_some, recipe) for _ in range(processes)]:
            future.result()
    rows = [row for name in members() for row in read_rows(_scores_file(recipe, name))]
    left = len(members()) - len({row["network"] for row in rows})
    if left:
        raise RunError(f"other processes are still at the scores of {left} networks: run `score` again later")
    write_rows(RANKED, rows, [f"top-1 on {HELDOUT_IMAGES} training images held out, weights shared: ranks, see docs"])


def _score_some(recipe: SupernetRecipe) -> None:
    """Score the members that no other process is at, in order, with one thread."""
    torch.set_num_threads(1)
    (dataset, heldout), shared = load_split(), load_shared(recipe)
    (recipe.folder / "scores").mkdir(exist_ok=True)
    for number, name in enumerate(members(), start=1):
        path = _scores_file(recipe, name)
        try:
            with FileLock(path.with_suffix(".lock"), timeout=0):
                if path.exists():
                    continue
                scores = {each: score_percent(shared, name, each, dataset, heldout, recipe) for each in list_pe_types()}
                write_rows(path, [_row(recipe, name, pe_type, score) for pe_type, score in scores.items()])
        except Timeout:
            continue
        say("score", f"{number}/{len(members())} {name} {' '.join(f'{score:.1f}' for score in scores.values())}")


def _scores_file(recipe: SupernetRecipe, name: str) -> Path:
    return recipe.folder / "scores" / f"{name}.csv"


def _row(recipe: SupernetRecipe, name: str, pe_type: str, score: float) -> dict[str, str]:
    return {
        "network": name,
        "dataset": DATASET,
        "pe_type": pe_type,
        "score_percent": f"{score:.2f}",
        "stderr_percent": f"{stderr_percent(score, HELDOUT_IMAGES):.3f}",
        "heldout_images": str(HELDOUT_IMAGES),
        "epochs": str(recipe.supernet.epochs),
        "seed": str(recipe.seed),
        "recipe_sha256": recipe.digest,
        "torch": torch.__version__,
        "evidence": "ranked",
    }
