"""Scores of all members of the family, and pairs of them trained alone."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock, Timeout

from characterization.accuracy.recipe import SUPERNET, SupernetRecipe
from characterization.accuracy.rows import PAIRS, RANKED, TYPE_PAIRS, read_pairs, read_rows, stderr_percent, write_rows
from characterization.accuracy.runs import Job, plan
from characterization.accuracy.supernet import (
    DATASET,
    checkpoint,
    draws,
    folder,
    load_split,
    load_weights,
    score_percent,
    train_shared,
    tune_shared,
)
from characterization.accuracy.workers import in_processes, say, unclaimed
from dse.errors import RunError
from pe_library.model import list_pe_types
from workloads.families import members, parse_name

PAIR_COUNT = 20
TYPE_NETWORKS = 6


def choose_pairs(path: Path = PAIRS) -> None:
    """Draw the pairs to train alone and write their file, where there is none yet."""
    if not path.exists():
        comment = "drawn by numpy's default generator with seed 0, before any score was known"
        _write_pairs(path, draws(PAIR_COUNT), comment)


def choose_types(path: Path = TYPE_PAIRS, pairs: Path = PAIRS) -> None:
    """Draw some of the networks of the pairs, to be trained for every PE type, where there are none yet."""
    if not path.exists():
        networks = sorted({name for name, _ in read_pairs(pairs)})
        drawn = sorted(np.random.default_rng(0).choice(networks, TYPE_NETWORKS, replace=False).tolist())
        comment = "networks of pairs.csv, drawn by numpy's default generator with seed 0, for every PE type"
        _write_pairs(path, [(name, pe_type) for name in drawn for pe_type in list_pe_types()], comment)


def _write_pairs(path: Path, pairs: Sequence[tuple[str, str]], comment: str) -> None:
    write_rows(path, [{"network": name, "pe_type": pe_type} for name, pe_type in pairs], [comment])


def alone_jobs(pairs: Sequence[tuple[str, str]], seeds: Sequence[int]) -> tuple[Job, ...]:
    """Training jobs of pairs, one per network and seed, all networks with one seed before the next.

    Raises InputError for networks that are not of the family and PE types that there are not.
    """
    by_network: dict[str, list[str]] = {}
    for name, pe_type in pairs:
        parse_name(name)
        by_network.setdefault(name, []).append(pe_type)
    jobs = (plan([name], [seed], "alone", tuple(own)) for seed in seeds for name, own in by_network.items())
    return tuple(chain.from_iterable(jobs))


def train_weights(processes: int) -> None:
    """Choose the pairs, then train the shared weights, in one process, and tune them for all PE types, in several.

    Raises RunError while another process trains the shared weights, or still tunes some.
    """
    choose_pairs()
    choose_types()
    folder(SUPERNET).mkdir(parents=True, exist_ok=True)
    in_processes(1, partial(_train_shared, SUPERNET))
    in_processes(processes, partial(_tune_some, SUPERNET))
    for pe_type in list_pe_types():
        load_weights(SUPERNET, pe_type)


def score_all(processes: int) -> None:
    """Score all pairs, members that have a score already left out; write `ranked.csv` when all are there.

    Raises RunError before the weights are trained, and while other processes still score some members.
    """
    recipe, wanted = SUPERNET, len(members()) * len(list_pe_types())
    (folder(recipe) / "scores").mkdir(parents=True, exist_ok=True)
    in_processes(processes, partial(_score_some, recipe))
    rows = [row for name in members() for row in read_rows(_scores_file(recipe, name))]
    if len(rows) < wanted:
        raise RunError(f"other processes are still at {wanted - len(rows)} scores: run `score` again later")
    what = f"top-1 on {recipe.heldout_images} training images held out, weights shared: ranks, see docs"
    write_rows(RANKED, rows, [what])


def _train_shared(recipe: SupernetRecipe) -> None:
    try:
        with FileLock(checkpoint(recipe, None).with_suffix(".lock"), timeout=0):
            train_shared(recipe, load_split(recipe)[0], partial(say, "supernet"))
    except Timeout as error:
        raise RunError("another process is training the supernet") from error


def _tune_some(recipe: SupernetRecipe) -> None:
    """Tune for the PE types that no other process is at, in order."""
    dataset = load_split(recipe)[0]
    for pe_type in unclaimed(list_pe_types(), lambda each: checkpoint(recipe, each).with_suffix(".lock")):
        tune_shared(recipe, pe_type, dataset, partial(say, f"supernet {pe_type}"))


def _score_some(recipe: SupernetRecipe) -> None:
    """Score the members that no other process is at, in order."""
    dataset, heldout = load_split(recipe)
    weights = {pe_type: load_weights(recipe, pe_type) for pe_type in list_pe_types()}
    for name in unclaimed(members(), lambda each: _scores_file(recipe, each).with_suffix(".lock")):
        path = _scores_file(recipe, name)
        rows = {row["pe_type"]: row for row in read_rows(path)}
        for pe_type in [each for each in list_pe_types() if each not in rows]:
            score = score_percent(weights[pe_type], name, pe_type, dataset, heldout, recipe)
            rows[pe_type] = _row(recipe, name, pe_type, score)
        write_rows(path, [rows[pe_type] for pe_type in list_pe_types()])
        scores = " ".join(row["score_percent"] for row in rows.values())
        say("score", f"{members().index(name) + 1}/{len(members())} {name} {scores}")


def _scores_file(recipe: SupernetRecipe, name: str) -> Path:
    return folder(recipe) / "scores" / f"{name}.csv"


def _row(recipe: SupernetRecipe, name: str, pe_type: str, score: float) -> dict[str, str]:
    return {
        "network": name,
        "dataset": DATASET,
        "pe_type": pe_type,
        "score_percent": f"{score:.2f}",
        "stderr_percent": f"{stderr_percent(score, recipe.heldout_images):.3f}",
        "heldout_images": str(recipe.heldout_images),
        "base_epochs": str(recipe.base.epochs),
        "tune_epochs": str(recipe.tune.epochs),
        "seed": str(recipe.seed),
        "recipe_sha256": recipe.digest,
        "torch": torch.__version__,
        "evidence": "ranked",
    }
