"""The networks that are trained, and their layer tables, which the workload files hold.

Every convolution is followed by batch normalization; it, biases, pooling and residual additions are outside the PE.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from characterization.accuracy.quantizers import Conv2d, Linear
from dse.errors import InputError, Problem, did_you_mean
from workloads.families import RESNET_CIFAR10, parse_name
from workloads.layer import Layer, Workload

CLASSES = 10
VGG8_WIDTHS = ((32, 32), (64, 64), (128, 128))
VGG8_HIDDEN = 256


class Block(nn.Module):
    """Two 3 x 3 convolutions around an identity shortcut, new channels of it zero (He et al. 2016, option A)."""

    def __init__(self, C: int, M: int, stride: int) -> None:
        super().__init__()
        self.a, self.bn_a = Conv2d(C, M, stride), nn.BatchNorm2d(M)
        self.b, self.bn_b = Conv2d(M, M), nn.BatchNorm2d(M)
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, M, H / stride, W / stride)."""
        y = self.bn_b(self.b(functional.relu(self.bn_a(self.a(x)))))
        return functional.relu(y + shortcut(x, y.shape[1], self.stride))


def shortcut(x: Tensor, channels: int, stride: int) -> Tensor:
    """Every `stride`-th row and column of `x`, zeros for the channels that it has not."""
    if stride > 1:
        x = x[:, :, ::stride, ::stride]
    return functional.pad(x, (0, 0, 0, 0, 0, channels - x.shape[1])) if channels > x.shape[1] else x


class ResNet(nn.Module):
    """Residual network for small images: a convolution, stages of blocks that halve the image, mean, one fc layer."""

    def __init__(self, channels: int, widths: Sequence[int], blocks: Sequence[int]) -> None:
        super().__init__()
        self.conv1, self.bn1 = Conv2d(channels, widths[0]), nn.BatchNorm2d(widths[0])
        self.order: list[str] = []
        before = widths[0]
        for stage, (width, depth) in enumerate(zip(widths, blocks, strict=True), start=2):
            for number in range(1, depth + 1):
                self.order.append(f"conv{stage}_{number}")
                stride = 2 if stage > 2 and number == 1 else 1
                self.add_module(self.order[-1], Block(before, width, stride))
                before = width
        self.fc = Linear(before, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, H, W) -> (N, 10)."""
        x = functional.relu(self.bn1(self.conv1(x)))
        for name in self.order:
            x = getattr(self, name)(x)
        return torch.as_tensor(self.fc(x.mean((2, 3))))


class VGG(nn.Module):
    """Stages of 3 x 3 convolutions, each with a max pooling after it, then two fully connected layers."""

    def __init__(self, channels: int, size: int, widths: Sequence[Sequence[int]], hidden: int) -> None:
        super().__init__()
        self.stages: list[list[str]] = []
        before = channels
        for stage, stage_widths in enumerate(widths, start=1):
            self.stages.append([])
            for number, width in enumerate(stage_widths, start=1):
                name = f"conv{stage}_{number}"
                self.stages[-1].append(name)
                self.add_module(name, Conv2d(before, width))
                self.add_module(f"bn_{name}", nn.BatchNorm2d(width))
                before = width
        side = size // 2 ** len(widths)
        self.fc1, self.bn_fc1 = Linear(before * side * side, hidden), nn.BatchNorm1d(hidden)
        self.fc2 = Linear(hidden, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, size, size) -> (N, 10)."""
        for names in self.stages:
            for name in names:
                x = functional.relu(getattr(self, f"bn_{name}")(getattr(self, name)(x)))
            x = functional.max_pool2d(x, 2)
        return torch.as_tensor(self.fc2(functional.relu(self.bn_fc1(self.fc1(x.flatten(1))))))


@dataclass(frozen=True)
class Network:
    """A network that can be trained: its workload name, its data set, and how to make it."""

    workload: str
    dataset: str
    channels: int
    size: int
    make: Callable[[int, int], nn.Module]

    def build(self, seed: int) -> nn.Module:
        """The network with weights drawn by `seed`."""
        torch.manual_seed(seed)
        return initialized(self.make(self.channels, self.size))

    def layers(self) -> tuple[Layer, ...]:
        """The rows of its workload file."""
        layers: tuple[Layer, ...] = layer_table(self.build(0), self.channels, self.size)
        return layers


def _resnet20(channels: int, size: int) -> nn.Module:
    return ResNet(channels, (16, 32, 64), (3, 3, 3))


def _vgg8(channels: int, size: int) -> nn.Module:
    return VGG(channels, size, VGG8_WIDTHS, VGG8_HIDDEN)


IMAGES = {"cifar10": (3, 32), "fashion-mnist": (1, 28)}
"""Data set -> channels and side of its images."""
NETWORKS = {
    f"{name}-{dataset}": Network(f"{name}-{dataset}", dataset, *shape, make)
    for dataset, shape in IMAGES.items()
    for name, make in {"resnet20": _resnet20, "vgg8": _vgg8}.items()
}
"""The networks that are trained for every PE type, by workload name."""


def find_network(workload: str) -> Network:
    """A network by workload name, members of the family among them. Raises InputError for one that there is not."""
    if workload in NETWORKS:
        return NETWORKS[workload]
    if not workload.startswith(RESNET_CIFAR10):
        rule = "must be a network that can be trained"
        raise InputError(Problem("network", rule, workload, did_you_mean(workload, NETWORKS)))
    widths, blocks = parse_name(workload)
    return Network(workload, "cifar10", *IMAGES["cifar10"], lambda channels, size: ResNet(channels, widths, blocks))


def initialized(net: nn.Module) -> nn.Module:
    """The network with weights of its convolutions as in He et al. 2015, in the memory format that trains fastest."""
    for module in net.modules():
        if isinstance(module, Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    return net.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


@torch.no_grad()
def layer_table(net: nn.Module, channels: int, size: int) -> tuple[Layer, ...]:
    """The layers that run on PEs for one image, layers of equal shape merged: the rows of a workload file."""
    found: list[Layer] = []

    def note(name: str) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
        def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            if isinstance(module, Conv2d):
                (_, C, H, W), (R, S) = inputs[0].shape, module.kernel_size
                stride, padding = module.stride[0], int(module.padding[0])
                found.append(Layer(name, "conv", C, H, W, output.shape[1], R, S, stride, padding))
            else:
                found.append(Layer(name, "fc", inputs[0].shape[1], 1, 1, output.shape[1], 1, 1))

        return hook

    layers = [(name, module) for name, module in net.named_modules() if isinstance(module, Conv2d | Linear)]
    handles = [module.register_forward_hook(note(name.replace(".", "_3x3"))) for name, module in layers]
    was_training = net.training
    net.eval()(torch.zeros(1, channels, size, size))
    net.train(was_training)
    for handle in handles:
        handle.remove()
    return Workload("network", tuple(found)).unique_layers()
