"""A weight-sharing network over a family of architectures and all PE types, and the scores that it gives.

One set of FP32 weights, that of the largest member; a member uses the leading channels of it. Every step trains the
largest member in FP32 on the labels, then the smallest and two drawn ones, each on the operands of a drawn PE type, on
what the largest answers (sandwich rule and in-place distillation of Yu and Huang, ICCV 2019). To score a member its
slice is cut out, calibrated and its batch normalization estimated anew, for every PE type. A score ranks; it is not
the accuracy of the member trained alone.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cache
from hashlib import sha256
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
from characterization.accuracy.recipe import Phase
from characterization.accuracy.train import (
    Report,
    batches,
    calibration_images,
    generator,
    recalibrate,
    resume,
    save,
    top1_percent,
)
from characterization.library import cache_dir
from dse.errors import RunError
from pe_library.model import list_pe_types
from workloads.families import members

DATASET = "cifar10"
HELDOUT_IMAGES = 5000
"""The last so many training images score and never train; the test images play no part."""

SCHEDULE = Phase(epochs=12, learning_rate=0.1, warmup_epochs=1.0)


@dataclass(frozen=True)
class SupernetRecipe:
    """What decides the scores. `drawn`: members drawn per step beside the largest and the smallest."""

    supernet: Phase = SCHEDULE
    seed: int = 0
    batch: int = 128
    momentum: float = 0.9
    weight_decay: float = 1e-4
    drawn: int = 2
    calibration_images: int = 512
    recalibration_images: int = 1000
    method: int = 1

    @property
    def digest(self) -> str:
        """Eight hex digits that change with any field."""
        return sha256(repr(sorted(asdict(self).items())).encode()).hexdigest()[:8]

    @property
    def folder(self) -> Path:
        """Where its checkpoint and scores are."""
        return cache_dir() / "training" / f"supernet-{self.digest}"


def split(dataset: Dataset) -> tuple[Dataset, Images]:
    """The data set without its last training images, and these."""
    pixels, labels = dataset.train.pixels, dataset.train.labels
    kept = replace(dataset, train=Images(pixels[:-HELDOUT_IMAGES], labels[:-HELDOUT_IMAGES]))
    return kept, Images(pixels[-HELDOUT_IMAGES:], labels[-HELDOUT_IMAGES:])


@cache
def template(name: str) -> nn.Module:
    """A member of the family, for its structure."""
    return find_network(name).build(0)


def sliced(shared: Mapping[str, Tensor], member: nn.Module) -> dict[str, Tensor]:
    """For each parameter and buffer of a member the leading part of the shared one."""
    return {
        name: shared[name][tuple(slice(0, size) for size in own.shape)] for name, own in member.state_dict().items()
    }


def train_supernet(recipe: SupernetRecipe, dataset: Dataset, report: Report) -> tuple[nn.Module, float]:
    """The shared weights after training, and its CPU seconds; goes on from its last epoch."""
    net = find_network(members()[-1]).build(recipe.seed)
    optimizer = torch.optim.SGD(net.parameters(), 0.1, recipe.momentum, weight_decay=recipe.weight_decay, nesterov=True)
    checkpoint = recipe.folder / "shared.pt"
    done, cpu_s = resume(checkpoint, net, optimizer)
    for epoch in range(done, recipe.supernet.epochs):
        start = time.process_time()
        loss = _epoch(net, dataset, recipe, optimizer, epoch)
        cpu_s += time.process_time() - start
        save(checkpoint, {"epoch": epoch + 1, "cpu_s": cpu_s, "net": net.state_dict(), "sgd": optimizer.state_dict()})
        seconds = time.process_time() - start
        report(f"supernet {epoch + 1}/{recipe.supernet.epochs} loss of the largest {loss:.3f} {seconds:.0f} s")
    return net, cpu_s


def _epoch(
    net: nn.Module, dataset: Dataset, recipe: SupernetRecipe, optimizer: torch.optim.Optimizer, epoch: int
) -> float:
    """One epoch; the mean loss of the largest member."""
    images = calibration_images(dataset, recipe.calibration_images)
    quantizers = {pe_type: _calibrated(net, pe_type, images) for pe_type in list_pe_types()}
    random = generator(recipe.seed, "supernet", epoch)
    count, total = len(dataset.train.labels), 0.0
    steps = count // recipe.batch
    for step, (x, labels) in enumerate(batches(dataset, count, recipe.batch, random)):
        for group in optimizer.param_groups:
            group["lr"] = recipe.supernet.rate(epoch + (step + 1) / steps)
        optimizer.zero_grad()
        set_pe_type(net, None)
        with torch.autocast("cpu", torch.bfloat16):
            scores = net.train()(x).float()
        loss = functional.cross_entropy(scores, labels)
        loss.backward()  # type: ignore[no-untyped-call]
        total += float(loss.detach())
        answers = scores.detach().softmax(1)
        for name in (members()[0], *random.choice(members(), recipe.drawn)):
            pe_type = str(random.choice(list_pe_types()))
            _distill(net, template(str(name)), pe_type, quantizers[pe_type], x, answers)
        optimizer.step()
    return total / steps


def _calibrated(net: nn.Module, pe_type: str, images: Tensor) -> dict[str, Tensor]:
    """Steps and factors of the largest member for a PE type; batch normalization makes them fit the others."""
    before = {name: buffer.clone() for name, buffer in net.named_buffers()}
    set_pe_type(net, pe_type)
    calibrate(net, images)
    found = {name: buffer.clone() for name, buffer in net.named_buffers()}
    for name, buffer in net.named_buffers():
        buffer.copy_(before[name])
    return found


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
    shared: Mapping[str, Tensor], name: str, pe_type: str, dataset: Dataset, heldout: Images, recipe: SupernetRecipe
) -> float:
    """Top-1 of a member with its slice of the shared weights, on the held-out images."""
    member = find_network(name).build(0)
    member.load_state_dict(sliced(shared, member))
    set_pe_type(member, pe_type)
    calibrate(member, calibration_images(dataset, recipe.calibration_images))
    recalibrate(member, calibration_images(dataset, recipe.recalibration_images))
    score: float = top1_percent(member, heldout)
    return score


def load_shared(recipe: SupernetRecipe) -> dict[str, Tensor]:
    """The trained weights, from the checkpoint. Raises RunError unless training is done."""
    path = recipe.folder / "shared.pt"
    state: dict[str, Any] = torch.load(path, weights_only=True) if path.exists() else {"epoch": 0}
    if state["epoch"] < recipe.supernet.epochs:
        done = f"{state['epoch']} of {recipe.supernet.epochs} epochs"
        raise RunError(f"the supernet has {done}: run `python -m characterization.accuracy supernet` first")
    shared: dict[str, Tensor] = state["net"]
    return shared


def load_split() -> tuple[Dataset, Images]:
    """Training images and held-out images of the data set that the family is for."""
    return split(load_dataset(DATASET))


def draws(recipe: SupernetRecipe, count: int) -> tuple[tuple[str, str], ...]:
    """So many different pairs (member, PE type), drawn by the recipe's seed alone."""
    pairs = [(name, pe_type) for name in members() for pe_type in list_pe_types()]
    chosen = np.random.default_rng(recipe.seed).choice(len(pairs), count, replace=False)
    return tuple(pairs[index] for index in sorted(chosen))
