"""A weight-sharing network over a family of architectures, tuned for each PE type, and the scores that it gives.

One set of FP32 weights, that of the largest member; a member uses the leading channels of it. Every step trains the
largest member on the labels, then the smallest and drawn ones on what the largest answers (sandwich rule and in-place
distillation of Yu and Huang, ICCV 2019). First all PE types share the weights: the largest computes in FP32, each other
member on the operands of a drawn PE type. Then a copy per PE type is tuned in the same way, all members on its
operands. To score a member its slice is cut out, with the steps and factors that its weights were tuned for, and its
batch normalization estimated anew. A score ranks; it is not the accuracy of the member trained alone.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional

from characterization.accuracy.data import Dataset, Images, load_dataset
from characterization.accuracy.networks import find_network
from characterization.accuracy.quantizers import calibrate, set_pe_type
from characterization.accuracy.recipe import SupernetRecipe
from characterization.accuracy.train import (
    Lesson,
    Report,
    calibration_images,
    fit,
    recalibrate,
    top1_percent,
)
from characterization.library import cache_dir
from dse.errors import RunError
from pe_library.model import list_pe_types
from workloads.families import members

DATASET = "cifar10"


def folder(recipe: SupernetRecipe) -> Path:
    """Where tuned weights and scores are."""
    return cache_dir() / "training" / f"supernet-{recipe.digest}"


def split(dataset: Dataset, heldout: int) -> tuple[Dataset, Images]:
    """The data set without its last so many training images, and these; the test images play no part."""
    pixels, labels = dataset.train.pixels, dataset.train.labels
    kept = replace(dataset, train=Images(pixels[:-heldout], labels[:-heldout]))
    return kept, Images(pixels[-heldout:], labels[-heldout:])


@cache
def template(name: str) -> nn.Module:
    """A member of the family, for its structure."""
    return find_network(name).build(0)


def sliced(shared: Mapping[str, Tensor], member: nn.Module) -> dict[str, Tensor]:
    """For each parameter and buffer of a member the leading part of the shared one."""
    return {
        name: shared[name][tuple(slice(0, size) for size in own.shape)] for name, own in member.state_dict().items()
    }


def train_shared(recipe: SupernetRecipe, dataset: Dataset, report: Report) -> nn.Module:
    """The weights that all PE types share, trained; goes on from its last epoch."""
    net = find_network(members()[-1]).build(recipe.seed)
    images = calibration_images(dataset, recipe.calibration_images)
    lessons = partial(sandwich, net, None, recipe.pe_types, recipe.drawn, images)
    fit(net, lessons, dataset, recipe, "supernet", recipe.seed, checkpoint(recipe, None), report)
    return net


def tune_shared(recipe: SupernetRecipe, pe_type: str, dataset: Dataset, report: Report) -> nn.Module:
    """A copy of the shared weights tuned for a PE type; goes on from its last epoch. Raises RunError before they are
    trained."""
    net = find_network(members()[-1]).build(recipe.seed)
    net.load_state_dict(load_weights(recipe, None))
    images = calibration_images(dataset, recipe.calibration_images)
    lessons = partial(sandwich, net, pe_type, (pe_type,), recipe.drawn, images)
    fit(net, lessons, dataset, recipe, "tune", recipe.seed, checkpoint(recipe, pe_type), report)
    return net


def sandwich(
    net: nn.Module, largest: str | None, others: Sequence[str], drawn: int, images: Tensor, random: np.random.Generator
) -> Lesson:
    """One epoch's lesson: the largest member on one PE type (None: on plain FP32), smallest and drawn ones on drawn
    ones of `others`. Operands are calibrated on `images`, once."""
    quantizers = {pe_type: calibrated(net, pe_type, images) for pe_type in others}
    if largest:
        net.load_state_dict(quantizers[largest], strict=False)

    def lesson(x: Tensor, labels: Tensor) -> tuple[float, int]:
        set_pe_type(net, largest)
        with torch.autocast("cpu", torch.bfloat16):
            scores = net(x).float()
        loss = functional.cross_entropy(scores, labels)
        loss.backward()  # type: ignore[no-untyped-call]
        answers = scores.detach().softmax(1)
        for name in (members()[0], *random.choice(members(), drawn)):
            pe_type = str(random.choice(others))
            _distill(net, template(str(name)), pe_type, quantizers[pe_type], x, answers)
        return float(loss.detach()), int((scores.argmax(1) == labels).sum())

    return lesson


def calibrated(net: nn.Module, pe_type: str, images: Tensor) -> dict[str, Tensor]:
    """Steps and factors of the largest member for a PE type; batch normalization makes them fit the others."""
    probe = copy.deepcopy(net)
    set_pe_type(probe, pe_type)
    calibrate(probe, images)
    return dict(probe.named_buffers())


def _distill(
    net: nn.Module, member: nn.Module, pe_type: str, quantizers: Mapping[str, Tensor], x: Tensor, answers: Tensor
) -> None:
    """Add the gradient of a member, on the operands of a PE type, towards the answers of the largest."""
    set_pe_type(member, pe_type)
    state = sliced({**dict(net.named_parameters()), **quantizers}, member)
    with torch.autocast("cpu", torch.bfloat16):
        scores = functional_call(member.train(), state, (x,)).float()
    functional.cross_entropy(scores, answers).backward()  # type: ignore[no-untyped-call]


def score_percent(
    weights: Mapping[str, Tensor], name: str, pe_type: str, dataset: Dataset, heldout: Images, recipe: SupernetRecipe
) -> float:
    """Top-1 of a member with its slice of the weights, steps and factors that were tuned, on the held-out images."""
    member = find_network(name).build(0)
    member.load_state_dict(sliced(weights, member))
    set_pe_type(member, pe_type)
    recalibrate(member, calibration_images(dataset, recipe.recalibration_images))
    score: float = top1_percent(member, heldout)
    return score


def checkpoint(recipe: SupernetRecipe, pe_type: str | None) -> Path:
    """Of the weights tuned for a PE type; None: of the shared ones."""
    if pe_type:
        return folder(recipe) / f"tuned-{pe_type}.pt"
    return folder(recipe).with_name(f"shared-{recipe.base_digest}.pt")


def load_weights(recipe: SupernetRecipe, pe_type: str | None) -> dict[str, Tensor]:
    """Weights tuned for a PE type; None: the shared ones. Raises RunError unless their training is done."""
    path, phase = checkpoint(recipe, pe_type), recipe.tune if pe_type else recipe.base
    state: dict[str, Any] = torch.load(path, weights_only=True) if path.exists() else {"epoch": 0}
    if state["epoch"] < phase.epochs:
        done = f"{state['epoch']} of {phase.epochs} epochs{f' for {pe_type}' if pe_type else ''}"
        raise RunError(f"the supernet has {done}: run `python -m characterization.accuracy supernet` first")
    weights: dict[str, Tensor] = state["net"]
    return weights


def load_split(recipe: SupernetRecipe) -> tuple[Dataset, Images]:
    """Training images and held-out images of the data set that the family is for."""
    return split(load_dataset(DATASET), recipe.heldout_images)


def draws(count: int, seed: int = 0) -> tuple[tuple[str, str], ...]:
    """So many different pairs (member, PE type), drawn by the seed alone."""
    pairs = [(name, pe_type) for name in members() for pe_type in list_pe_types()]
    chosen = np.random.default_rng(seed).choice(len(pairs), count, replace=False)
    return tuple(pairs[index] for index in sorted(chosen))
