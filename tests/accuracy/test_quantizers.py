"""The quantizers of training hold exactly the values of `pe_library.values`, which are those of the MACs."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from torch.nn import functional

from characterization.accuracy.networks import find_network
from characterization.accuracy.quantizers import (
    Conv2d,
    Linear,
    activation_values,
    best_factor,
    best_step,
    calibrate,
    quantized_layers,
    set_pe_type,
    weight_values,
)
from pe_library.codes import code_of, load_mac_model
from pe_library.model import list_pe_types
from pe_library.values import load_operands, nearest

PE_TYPES = list_pe_types()
QUANTIZED = tuple(each for each in PE_TYPES if each != "fp32")


def tensor(*shape: int, seed: int = 0) -> torch.Tensor:
    """Values of several magnitudes and both signs."""
    random = np.random.default_rng(seed)
    values = random.normal(size=shape) * 2.0 ** random.integers(-6, 3, shape)
    return torch.from_numpy(values.astype(np.float32))


@pytest.mark.parametrize("pe_type", PE_TYPES)
def test_weights_are_the_values_of_the_pe_library(pe_type: str) -> None:
    weight, factor = tensor(8, 5, 3, 3), torch.linspace(0.5, 1.2, 8)
    with torch.no_grad():
        values, scale = weight_values(weight, factor, pe_type)
    expected = nearest(weight.numpy(), scale.numpy().reshape(8, 1, 1, 1), load_operands(pe_type).weight)
    np.testing.assert_array_equal(values.numpy(), expected)


@pytest.mark.parametrize("pe_type", PE_TYPES)
def test_activations_are_the_values_of_the_pe_library(pe_type: str) -> None:
    x, step = tensor(4, 6, 6), 0.037
    with torch.no_grad():
        values = activation_values(x, 1.0 if pe_type == "fp32" else step, pe_type)
    expected = nearest(x.numpy(), 1.0 if pe_type == "fp32" else step, load_operands(pe_type).activation)
    np.testing.assert_array_equal(values.numpy(), expected)


def codes(values: np.ndarray, pe_type: str, operand: str) -> np.ndarray:
    """A code of each value, looked up among all codes."""
    model = load_mac_model(pe_type)
    if pe_type == "fp32":
        return code_of(values)
    bits, decode = (
        (model.WEIGHT_BITS, model.decode_weight) if operand == "weight"
        else (model.ACTIVATION_BITS, model.decode_activation)
    )  # fmt: skip
    every = np.arange(2**bits, dtype=np.int64)
    table = dict(zip(decode(every).tolist(), every.tolist(), strict=True))
    return np.array([table[value] for value in values.ravel().tolist()], np.int64).reshape(values.shape)


@pytest.mark.parametrize("pe_type", PE_TYPES)
def test_a_layer_computes_what_the_mac_accumulates(pe_type: str) -> None:
    """A fully connected layer against the bit-exact MAC, one product after the other."""
    model, layer, x = load_mac_model(pe_type), Linear(24, 3), tensor(2, 24)
    set_pe_type(layer, pe_type)
    calibrate(layer, x)
    with torch.no_grad():
        acts, weights, scale = layer.operands(x, pe_type)
        outputs = layer(x).numpy()
    act, wgt = codes(acts.numpy(), pe_type, "activation"), codes(weights.numpy(), pe_type, "weight")
    psum = np.zeros((2, 3), np.int64)
    for index in range(24):
        psum = model.mac(act[:, None, index], wgt[None, :, index], psum)
    expected = model.decode_psum(psum) * scale.numpy() + layer.bias.detach().numpy()
    np.testing.assert_allclose(outputs, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("pe_type", PE_TYPES)
def test_a_convolution_computes_what_the_mac_accumulates(pe_type: str, stride: int) -> None:
    """A 3 x 3 convolution with padding against the bit-exact MAC, one product after the other."""
    model, layer, x = load_mac_model(pe_type), Conv2d(2, 3, stride), tensor(1, 2, 6, 6)
    set_pe_type(layer, pe_type)
    calibrate(layer, x)
    with torch.no_grad():
        acts, weights, scale = layer.operands(x, pe_type)
        outputs = layer(x).numpy()
        windows = functional.unfold(acts, 3, padding=1, stride=stride)[0].T.numpy()  # (E F, C R S)
    inside = functional.unfold(torch.ones_like(x), 3, padding=1, stride=stride)[0].T.numpy() > 0
    act = codes(np.where(inside, windows, acts.numpy().flat[0]), pe_type, "activation")  # padding is never multiplied
    wgt = codes(weights.flatten(1).numpy(), pe_type, "weight")
    psum = np.zeros((len(windows), 3), np.int64)
    for index in range(windows.shape[1]):
        added = model.mac(act[:, None, index], wgt[None, :, index], psum)
        psum = np.where(inside[:, None, index], added, psum)
    expected = (model.decode_psum(psum) * scale.numpy()).T.reshape(outputs.shape[1:])
    np.testing.assert_allclose(outputs[0], expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("pe_type", [each for each in QUANTIZED if each != "int16"])
def test_grid_values_are_exact_in_the_numbers_of_training(pe_type: str) -> None:
    operands = load_operands(pe_type)
    for grid in (operands.weight, operands.activation):
        values = torch.tensor(grid.values, dtype=torch.float32)
        assert (values.bfloat16().float() == values).all()


def test_an_image_is_exact_in_eight_bits() -> None:
    from characterization.accuracy.train import as_input

    pixels = torch.arange(256, dtype=torch.uint8).view(1, 16, 16, 1)
    x = as_input(pixels)
    step = best_step(x, "int8")
    assert (activation_values(x, step, "int8") * step == x).all()


def test_gradients_pass_straight_through_inside_the_range() -> None:
    x = torch.tensor([-9.0, -0.3, 0.2, 0.6, 9.0], requires_grad=True)
    activation_values(x, 0.01, "int8").sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), [0.0, 100.0, 100.0, 100.0, 0.0])
    weight = tensor(2, 3).requires_grad_()
    values, scale = weight_values(weight, torch.ones(2), "lightpe1")
    (values * scale[:, None]).sum().backward()
    np.testing.assert_allclose(weight.grad.numpy(), 1.0, rtol=1e-6)


@pytest.mark.parametrize("pe_type", QUANTIZED)
def test_calibrated_factors_have_no_more_error_than_saturating_nothing(pe_type: str) -> None:
    weight = tensor(6, 40)

    def errors(factor: torch.Tensor) -> torch.Tensor:
        values, scale = weight_values(weight, factor, pe_type)
        return (values * scale[:, None] - weight).square().sum(1)

    assert (errors(best_factor(weight, pe_type)) <= errors(torch.ones(6)) * (1 + 1e-6)).all()


def test_every_layer_runs_on_the_pe_and_calibration_leaves_the_weights() -> None:
    net = find_network("resnet20-fashion-mnist").build(0)
    convolutions = [each for each in net.modules() if isinstance(each, torch.nn.Conv2d | torch.nn.Linear)]
    assert len(quantized_layers(net)) == len(convolutions) == 20
    assert all(isinstance(each, Conv2d | Linear) for each in convolutions)
    before = {name: value.clone() for name, value in net.named_parameters()}
    set_pe_type(net, "lightpe1")
    calibrate(net, tensor(8, 1, 28, 28))
    assert all((before[name] == value).all() for name, value in net.named_parameters())
    assert all(float(each.step) != 1.0 for each in quantized_layers(net))


def test_an_all_zero_channel_and_input_stay_finite() -> None:
    for pe_type in QUANTIZED:
        values, scale = weight_values(torch.zeros(2, 3), torch.ones(2), pe_type)
        assert torch.isfinite(values * scale[:, None]).all()
        assert best_step(torch.zeros(10), pe_type) > 0
