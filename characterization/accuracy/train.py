"""Training, recalibration and testing of one network. What comes out does not depend on being killed and resumed.

Training computes in bfloat16 where PyTorch's autocast does; grid values of up to 8 bits and powers of two are exact in
it. Tests compute in float32.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from characterization.accuracy.data import Dataset, Images
from characterization.accuracy.recipe import Phase, Recipe

Report = Callable[[str], None]
Lesson = Callable[[Tensor, Tensor], tuple[float, int]]
"""Adds the gradients of a batch of images and labels; its mean loss, and how many images were right."""
Lessons = Callable[[np.random.Generator], Lesson]
"""The lesson of an epoch, which may draw from the same random numbers as its images do."""

PHASES = ("base", "tune", "supernet")
"""Each has its own random numbers; `supernet` is the base phase of shared weights."""
RECALIBRATION_BATCH = 500
TEST_BATCH = 100  # small enough for the caches


def as_input(pixels: Tensor) -> Tensor:
    """Pixels (N, H, W, C) of 0 to 255 as a network's input (N, C, H, W) of -2 to 2: pixel - 128 is an 8-bit code."""
    return (pixels.permute(0, 3, 1, 2).float() - 128.0) / 64.0


def generator(seed: int, phase: str, epoch: int) -> np.random.Generator:
    """The random numbers of one epoch."""
    return np.random.default_rng([seed, PHASES.index(phase), epoch])


def batches(dataset: Dataset, count: int, size: int, random: np.random.Generator) -> Iterator[tuple[Tensor, Tensor]]:
    """The first `count` training images once, shuffled, in whole batches; each shifted and flipped at random."""
    margin, side = dataset.margin, dataset.size
    border = ((0, 0), (margin, margin), (margin, margin), (0, 0))
    padded = torch.from_numpy(np.pad(dataset.train.pixels[:count], border, constant_values=dataset.background))
    labels = torch.from_numpy(dataset.train.labels)
    order = random.permutation(count)
    for start in range(0, count - size + 1, size):
        chosen = torch.from_numpy(order[start : start + size])
        top, left = (torch.from_numpy(random.integers(0, 2 * margin + 1, (size, 1))) for _ in range(2))
        flipped = torch.from_numpy(random.integers(0, 2, (size, 1)))
        line = torch.arange(side)
        rows, columns = top + line, left + torch.where(flipped == 1, side - 1 - line, line)
        yield as_input(padded[chosen[:, None, None], rows[:, :, None], columns[:, None, :]]), labels[chosen]


def plain(net: nn.Module) -> Lessons:
    """Cross entropy of the labels."""

    def lesson(x: Tensor, labels: Tensor) -> tuple[float, int]:
        with torch.autocast("cpu", torch.bfloat16):
            scores = net(x).float()
        loss = functional.cross_entropy(scores, labels)
        loss.backward()  # type: ignore[no-untyped-call]
        return float(loss.detach()), int((scores.argmax(1) == labels).sum())

    return lambda random: lesson


def fit(
    net: nn.Module, lessons: Lessons, dataset: Dataset, recipe: Recipe, phase_name: str, seed: int, checkpoint: Path,
    report: Report,
) -> float:  # fmt: skip
    """Train `net` for a phase of the recipe and return the CPU seconds it took, over all resumed parts.

    `checkpoint` is written after every epoch; where it is there already, training goes on from it.
    """
    phase = recipe.tune if phase_name == "tune" else recipe.base
    optimizer = torch.optim.SGD(net.parameters(), 0.1, recipe.momentum, weight_decay=recipe.weight_decay, nesterov=True)
    done, cpu_s = resume(checkpoint, net, optimizer)
    for epoch in range(done, phase.epochs):
        start = time.process_time()
        random = generator(seed, phase_name, epoch)
        loss, correct = _epoch(net, lessons, dataset, recipe, phase, optimizer, random, epoch)
        cpu_s += time.process_time() - start
        save(checkpoint, {"epoch": epoch + 1, "cpu_s": cpu_s, "net": net.state_dict(), "sgd": optimizer.state_dict()})
        seconds = time.process_time() - start
        report(f"{phase_name} {epoch + 1}/{phase.epochs} loss {loss:.3f} train {correct:.2f} % {seconds:.0f} s")
    return cpu_s


def _epoch(
    net: nn.Module, lessons: Lessons, dataset: Dataset, recipe: Recipe, phase: Phase, optimizer: torch.optim.Optimizer,
    random: np.random.Generator, epoch: int,
) -> tuple[float, float]:  # fmt: skip
    """One epoch; mean loss and percent of the augmented training images that were right."""
    lesson = lessons(random)
    net.train()
    count = recipe.train_images or len(dataset.train.labels)
    steps, loss_sum, correct = count // recipe.batch, 0.0, 0
    for step, (x, labels) in enumerate(batches(dataset, count, recipe.batch, random)):
        for group in optimizer.param_groups:
            group["lr"] = phase.rate(epoch + (step + 1) / steps)
        optimizer.zero_grad()
        loss, right = lesson(x, labels)
        optimizer.step()
        loss_sum += loss
        correct += right
    return loss_sum / steps, 100.0 * correct / (steps * recipe.batch)


def save(path: Path, state: dict[str, Any]) -> None:
    """Write a checkpoint; a kill leaves the one before or this one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".tmp")
    torch.save(state, draft)
    os.replace(draft, path)


def resume(path: Path, net: nn.Module, optimizer: torch.optim.Optimizer) -> tuple[int, float]:
    """Put net and optimizer where a checkpoint left them; epochs done and CPU seconds, zeros without one."""
    if not path.exists():
        return 0, 0.0
    state = torch.load(path, weights_only=True)
    net.load_state_dict(state["net"])
    optimizer.load_state_dict(state["sgd"])
    return int(state["epoch"]), float(state["cpu_s"])


def calibration_images(dataset: Dataset, count: int) -> Tensor:
    """The first `count` training images as they are, as a network's input."""
    return as_input(torch.from_numpy(dataset.train.pixels[:count])).contiguous(memory_format=torch.channels_last)


@torch.no_grad()
def recalibrate(net: nn.Module, images: Tensor) -> None:
    """Estimate the statistics of batch normalization anew: means over the batches of `images`, in float32."""
    norms = [module for module in net.modules() if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain mean over batches
    net.train()
    for start in range(0, len(images), RECALIBRATION_BATCH):
        net(images[start : start + RECALIBRATION_BATCH])
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum


def top1_percent(net: nn.Module, images: Images) -> float:
    """Percent of the images whose class has the highest score, in float32."""
    return percent_of(right_images(net, images))


@torch.no_grad()
def right_images(net: nn.Module, images: Images) -> NDArray[np.bool_]:
    """Which of the images are right: their class has the highest score, in float32."""
    net.eval()
    parts = (images.pixels[start : start + TEST_BATCH] for start in range(0, len(images.labels), TEST_BATCH))
    found = [net(as_input(torch.from_numpy(part))).argmax(1).numpy() for part in parts]
    return np.asarray(np.concatenate(found) == images.labels)


def percent_of(right: NDArray[np.bool_]) -> float:
    """Top-1 of images that are right or not."""
    return 100.0 * int(right.sum()) / len(right)
