"""Exact Pareto fronts of spaces too large to evaluate whole: boxes of designs whose bounds are dominated are left out.

A box is a run of neighbouring values on every axis (`boxes`). What none of its designs undercuts, in cycles, energy and
area, comes from the most resources and the least prices of the box (`bounds`); a metric that only improves when these
fall is bounded by them. A first front is guessed by a local search (`guess`), boxes are then halved until their bounds
are dominated or few designs are left, which are evaluated like all others (`search`). So the front is that of
evaluating every design; which boxes were looked at changes the time alone.
"""
