"""Random layers for property tests: every kind, small sizes, always possible."""

from __future__ import annotations

from hypothesis import strategies as st

from workloads.layer import Layer, Workload

SMALL = st.integers(1, 6)


@st.composite
def convolutions(draw: st.DrawFn, depthwise: bool = False) -> Layer:
    groups = draw(st.integers(1, 4))
    channels = 1 if depthwise else draw(st.integers(1, 4))
    filters = draw(st.integers(1, 4))
    R, S, dilation, padding = draw(SMALL), draw(SMALL), draw(st.integers(1, 3)), draw(st.integers(0, 3))
    least_height = max(1, dilation * (R - 1) + 1 - 2 * padding)
    least_width = max(1, dilation * (S - 1) + 1 - 2 * padding)
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
    )


fully_connected = st.builds(
    lambda name, C, height, width, M, count: Layer(
        name, "fc", C, height, width, M, height, width, count=count
    ),
    st.sampled_from(["fc6", "fc7"]), st.integers(1, 9), SMALL, SMALL, st.integers(1, 9), SMALL,
)  # fmt: skip

gemms = st.builds(
    lambda m, k, n, heads, count: Layer("gemm", "gemm", heads * k, m, 1, heads * n, 1, 1, groups=heads, count=count),
    SMALL, SMALL, SMALL, st.integers(1, 3), SMALL,
)  # fmt: skip

layers = st.one_of(convolutions(), convolutions(depthwise=True), fully_connected, gemms)

workloads = st.lists(layers, min_size=1, max_size=8).map(lambda chosen: Workload("random", tuple(chosen)))
