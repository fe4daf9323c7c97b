"""Layer tables of trained networks, from forward hooks, against the workload files and the family's formula."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")

from characterization.accuracy.networks import NETWORKS, find_network
from dse.errors import InputError
from workloads.families import members, parse_name, resnet_cifar10
from workloads.layer import Workload
from workloads.loader import load_workload


@pytest.mark.parametrize("name", NETWORKS)
def test_a_trained_network_has_the_layers_of_its_workload_file(name: str) -> None:
    assert NETWORKS[name].layers() == load_workload(name).layers


@pytest.mark.parametrize("name", members()[::31])
def test_a_member_of_the_family_has_the_layers_of_the_formula(name: str) -> None:
    assert find_network(name).layers() == resnet_cifar10(*parse_name(name))


def test_unknown_networks_are_refused() -> None:
    for name in ("resnet21-cifar10", "resnet-cifar10-w8-16-32-d1-1-3"):
        with pytest.raises(InputError, match=name):
            find_network(name)


def test_weights_follow_from_the_seed() -> None:
    first, again, other = (find_network("vgg8-fashion-mnist").build(seed).conv1_1.weight for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()


def test_resnet20_is_the_family_with_three_blocks_a_stage() -> None:
    layers = resnet_cifar10((16, 32, 64), (3, 3, 3))
    assert layers == Workload("resnet20", load_workload("resnet20-cifar10").layers).layers
