"""Random layers for property tests: every kind, small sizes, always possible."""

from __future__ import annotations

from hypothesis import reject
from hypothesis import strategies as st

from dse.errors import InputError
from workloads.layer import Layer, Workload
from workloads.transposed import TransposedConvolution

SMALL = st.integers(1, 6)
SHARES = st.integers(0, 1000).map(lambda permille: permille / 1000)


@st.composite
def convolutions(draw: st.DrawFn, depthwise: bool = False) -> Layer:
    groups = draw(st.integers(1, 4))
    channels = 1 if depthwise else draw(st.integers(1, 4))
    filters = draw(st.integers(1, 4))
    R, S, dilation, padding = draw(SMALL), draw(SMALL), draw(st.integers(1, 3)), draw(st.integers(0, 3))
    pad_bottom, pad_right = draw(st.integers(0, 2)), draw(st.integers(0, 2))
    least_height = max(1, dilation * (R - 1) + 1 - 2 * padding - pad_bottom)
    least_width = max(1, dilation * (S - 1) + 1 - 2 * padding - pad_right)
    return Layer(
        name=draw(st.text("abcxyz_0123456789", min_size=1, max_size=8)),
        kind="depthwise" if depthwise else "conv",
        C=groups * channels,
        H=least_height + draw(st.integers(0, 6)),
        W=least_width + draw(st.integers(0, 6)),
        M=groups * filters,
        R=R,
        S=S,
        stride=draw(st.integers(1, 4)),
        padding=padding,
        dilation=dilation,
        groups=groups,
        count=draw(SMALL),
        pad_bottom=pad_bottom,
        pad_right=pad_right,
        ifmap_zeros=draw(SHARES),
        ofmap_zeros=draw(SHARES),
    )


fully_connected = st.builds(
    lambda name, C, height, width, M, count: Layer(
        name, "fc", C, height, width, M, height, width, count=count
    ),
    st.sampled_from(["fc6", "fc7"]), st.integers(1, 9), SMALL, SMALL, st.integers(1, 9), SMALL,
)  # fmt: skip

gemms = st.builds(
    lambda kind, m, k, n, heads, count: Layer(
        kind, kind, heads * k, m, 1, heads * n, 1, 1, groups=heads, count=count
    ),
    st.sampled_from(["gemm", "matmul"]), SMALL, SMALL, SMALL, st.integers(1, 3), SMALL,
)  # fmt: skip


@st.composite
def transposed_convolutions(draw: st.DrawFn) -> TransposedConvolution:
    """Kernels 1 to 5, strides 1 to 4, every possible padding and output padding."""
    groups, stride, dilation = draw(st.integers(1, 2)), draw(st.integers(1, 4)), draw(st.integers(1, 4))
    try:
        return TransposedConvolution(
            name="up",
            C=groups * draw(st.integers(1, 2)),
            H=draw(st.integers(1, 5)),
            W=draw(st.integers(1, 5)),
            M=groups * draw(st.integers(1, 2)),
            R=draw(st.integers(1, 5)),
            S=draw(st.integers(1, 5)),
            stride=stride,
            padding=draw(st.integers(0, 4)),
            dilation=dilation,
            groups=groups,
            count=draw(SMALL),
            output_padding=draw(st.integers(0, max(stride, dilation) - 1)),
        )
    except InputError:  # nothing is left of the ofmap
        reject()


layers = st.one_of(convolutions(), convolutions(depthwise=True), fully_connected, gemms)

workloads = st.lists(layers, min_size=1, max_size=8).map(lambda chosen: Workload("random", tuple(chosen)))
