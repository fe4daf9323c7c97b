"""Outside input: a YAML file or `name=value` options become frozen, checked values, or one list of all problems."""

from dse.config.schema import design_space
from dse.config.study import (
    Constraint,
    Keep,
    Optimization,
    Sample,
    Study,
    load_study,
    with_optimization,
    workload_sha256,
)

__all__ = [
    "Constraint", "Keep", "Optimization", "Sample", "Study", "design_space", "load_study", "with_optimization",
    "workload_sha256",
]  # fmt: skip
