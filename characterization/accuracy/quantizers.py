"""Convolutions and fully connected layers whose operands are those of a PE type.

A layer computes y = step scale[m] sum(a w) + bias with grid values a, w of `pe_library.values`, so the sum is what the
PE accumulates. `step` belongs to the layer's input, `scale` to output channel m. Gradients are straight-through: those
of the rounded operand are taken for those of the operand, and where an activation is at an end of its range for zero.
Without a PE type a layer is the usual one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from pe_library.values import SMALLEST_NORMAL, Grid, load_operands

WEIGHT_FACTORS = tuple(0.40 + 0.05 * i for i in range(21))
"""Tried for `scale` = factor x largest magnitude of the channel / largest grid value: 0.4 to 1.4."""
STEP_FACTORS = tuple(0.20 + 0.05 * i for i in range(17))
"""Tried for `step` = factor x the step that saturates nothing: 0.2 to 1."""
STEP_SAMPLES = 200_000
"""Activations, evenly spaced over the calibration batch, on which a step is chosen."""
SMALLEST_SCALE = 1e-12
"""Keeps channels and inputs that are all zero divisible."""


@dataclass(frozen=True, eq=False)
class TensorGrid:
    """A grid of `pe_library.values` as tensors."""

    grid: Grid
    values: Tensor
    midpoints: Tensor

    def nearest(self, scaled: Tensor) -> Tensor:
        """`pe_library.values.nearest` of what has been divided by its scale already."""
        if self.grid.is_float:
            tiny = scaled.abs() < float(SMALLEST_NORMAL)
            return torch.where(tiny, torch.copysign(torch.zeros_like(scaled), scaled), scaled)
        if self.grid.is_uniform:
            return scaled.round().clamp_(self.grid.low, self.grid.high)
        return self.values[torch.bucketize(scaled.contiguous(), self.midpoints)]


@cache
def tensor_grid(pe_type: str, operand: str) -> TensorGrid:
    """The grid of a PE type's `weight` or `activation`."""
    grid: Grid = getattr(load_operands(pe_type), operand)
    values = torch.tensor(grid.values, dtype=torch.float32)
    return TensorGrid(grid, values, torch.tensor(grid.midpoints, dtype=torch.float32))


class _Weight(torch.autograd.Function):
    """Nearest grid value; the gradient passes unchanged."""

    @staticmethod
    def forward(ctx: Any, scaled: Tensor, grid: TensorGrid) -> Tensor:
        return grid.nearest(scaled)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return gradients[0], None


class _Activation(torch.autograd.Function):
    """Grid value nearest to x / step; the gradient passes, over step, inside the range only."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, step: float, grid: TensorGrid) -> Tensor:
        codes = grid.nearest(x / step)
        ctx.save_for_backward(codes)  # the layer keeps them for its own backward pass: no memory of its own
        ctx.step, ctx.low, ctx.high = step, grid.grid.low, grid.grid.high
        return codes

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (codes,) = ctx.saved_tensors
        inside = torch.ops.aten.hardtanh_backward(gradients[0], codes, ctx.low, ctx.high)
        return inside.div_(ctx.step), None, None


def weight_values(weight: Tensor, factor: Tensor, pe_type: str) -> tuple[Tensor, Tensor]:
    """Grid values of a weight (M, ...), and the scale of each of its M output channels."""
    grid = tensor_grid(pe_type, "weight")
    if grid.grid.is_float:
        return grid.nearest(weight) if not torch.is_grad_enabled() else weight, torch.ones_like(factor)
    scale = factor * weight.detach().flatten(1).abs().amax(1).clamp_min(SMALLEST_SCALE) / grid.grid.high
    values: Tensor = _Weight.apply(weight / _per_channel(scale, weight), grid)  # type: ignore[no-untyped-call]
    return values, scale


def activation_values(x: Tensor, step: float, pe_type: str) -> Tensor:
    """Grid values of a layer's input. Floats lose their subnormals in tests only: training does not reach them."""
    grid = tensor_grid(pe_type, "activation")
    if grid.grid.is_float:
        return x if torch.is_grad_enabled() else grid.nearest(x)
    values: Tensor = _Activation.apply(x, step, grid)  # type: ignore[no-untyped-call]
    return values


def best_factor(weight: Tensor, pe_type: str) -> Tensor:
    """Per output channel the factor of `WEIGHT_FACTORS` with the least squared error; (M,)."""
    errors = []
    for factor in WEIGHT_FACTORS:
        values, scale = weight_values(weight, weight.new_full(weight.shape[:1], factor), pe_type)
        errors.append((values * _per_channel(scale, weight) - weight).square().flatten(1).sum(1))
    return weight.new_tensor(WEIGHT_FACTORS)[torch.stack(errors).argmin(0)]


def best_step(x: Tensor, pe_type: str) -> float:
    """The step, of those of `STEP_FACTORS`, with the least squared error on a layer's input; 1 for floats."""
    grid = tensor_grid(pe_type, "activation").grid
    if grid.is_float:
        return 1.0
    flat = x.detach().float().flatten()
    sample = flat[:: max(1, flat.numel() // STEP_SAMPLES)]
    full = max(float(flat.max()) / grid.high, float(flat.min()) / grid.low, SMALLEST_SCALE)
    steps = [factor * full for factor in STEP_FACTORS]
    errors = [float((activation_values(sample, step, pe_type) * step - sample).square().sum()) for step in steps]
    return steps[errors.index(min(errors))]


def _per_channel(scale: Tensor, weight: Tensor) -> Tensor:
    return scale.view(-1, *[1] * (weight.dim() - 1))


class Quantized(nn.Module):
    """What convolution and fully connected layer share: PE type, step, factors, and whether to calibrate them."""

    weight: Tensor
    step: Tensor
    factor: Tensor
    pe_type: str | None = None
    calibrating: bool = False

    def _prepare(self) -> None:
        self.register_buffer("step", torch.ones(()))
        self.register_buffer("factor", torch.ones(self.weight.shape[0]))

    def operands(self, x: Tensor, pe_type: str) -> tuple[Tensor, Tensor, Tensor]:
        """Grid values of input and weight, and what their sums of products are multiplied with, per channel."""
        if self.calibrating:
            with torch.no_grad():
                self.factor.copy_(best_factor(self.weight, pe_type))
                self.step.fill_(best_step(x, pe_type))
        step = float(self.step)
        weight, scale = weight_values(self.weight, self.factor, pe_type)
        return activation_values(x, step, pe_type), weight, scale * step


class Conv2d(nn.Conv2d, Quantized):
    """A 3 x 3 convolution with padding 1 and without bias."""

    def __init__(self, C: int, M: int, stride: int = 1) -> None:
        super().__init__(C, M, 3, stride, 1, bias=False)
        self._prepare()

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, M, E, F)."""
        if self.pe_type is None:
            return super().forward(x)
        values, weight, scale = self.operands(x, self.pe_type)
        sums = functional.conv2d(values, weight, None, self.stride, self.padding)
        return sums * scale.to(sums.dtype).view(1, -1, 1, 1)


class Linear(nn.Linear, Quantized):
    """A fully connected layer; its bias is added outside the PE."""

    def __init__(self, C: int, M: int) -> None:
        super().__init__(C, M)
        self._prepare()

    def forward(self, x: Tensor) -> Tensor:
        """(N, C) -> (N, M)."""
        if self.pe_type is None:
            return super().forward(x)
        values, weight, scale = self.operands(x, self.pe_type)
        sums = functional.linear(values, weight)
        return sums * scale.to(sums.dtype) + self.bias


def quantized_layers(net: nn.Module) -> list[Quantized]:
    """The layers of a network that run on PEs, in order."""
    return [module for module in net.modules() if isinstance(module, Quantized)]


def set_pe_type(net: nn.Module, pe_type: str | None) -> None:
    """From now on all layers multiply the operands of that PE type."""
    for layer in quantized_layers(net):
        layer.pe_type = pe_type


@torch.no_grad()
def calibrate(net: nn.Module, images: Tensor) -> None:
    """Choose steps and factors of all layers, one after the other, each on what the quantized ones before it make.

    Batch normalization uses the batch's own statistics meanwhile, since those of the net are not for these operands.
    """
    was_training = net.training
    net.train()
    for layer in quantized_layers(net):
        layer.calibrating = True
    net(images)
    for layer in quantized_layers(net):
        layer.calibrating = False
    net.train(was_training)
