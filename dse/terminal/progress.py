"""Progress of a sweep or search on stderr: on a terminal a bar with rate, feasible share and time left, else lines."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dse.sweep import Progress

SECONDS_BETWEEN_LINES = 10.0


@contextmanager
def show_progress(work: str) -> Iterator[Callable[[Progress], None]]:
    """A callback that shows the progress of some work, while the context is open."""
    if not sys.stderr.isatty():
        yield _lines()
        return
    from rich import progress as rich
    from rich.console import Console

    columns = (
        rich.TextColumn(work),
        rich.BarColumn(),
        rich.MofNCompleteColumn(),
        rich.TextColumn("{task.fields[facts]}"),
        rich.TimeRemainingColumn(),
    )
    with rich.Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(work, total=None, facts="")
        rate = _Rate()

        def update(now: Progress) -> None:
            facts = f"{now.what}  {_facts(now, rate.per_second(now))}"
            bar.update(task, completed=now.done, total=now.total, facts=facts)

        yield update


class _Rate:
    """Work done per second since the first report; what a resumed run found done does not count."""

    def __init__(self) -> None:
        self.first: Progress | None = None

    def per_second(self, now: Progress) -> float:
        self.first = self.first or now
        elapsed = now.elapsed_s - self.first.elapsed_s
        return (now.done - self.first.done) / elapsed if elapsed > 0 else 0.0


def _lines() -> Callable[[Progress], None]:
    rate, last = _Rate(), [0.0]

    def update(now: Progress) -> None:
        speed = rate.per_second(now)
        if speed and now.elapsed_s - last[0] >= SECONDS_BETWEEN_LINES:
            last[0] = now.elapsed_s
            left = _duration((now.total - now.done) / speed)
            done = f"{now.done:,} of {now.total:,} {now.what}"
            print(f"{done}, {_facts(now, speed)}, {left} left", file=sys.stderr, flush=True)

    return update


def _facts(now: Progress, speed: float) -> str:
    """Rate, the share of feasible points where it is known, and how many are kept where not all are."""
    share = "" if now.feasible is None else f", {100 * now.feasible:.0f} % feasible"
    kept = "" if now.kept is None else f", {now.kept:,} kept"
    return f"{speed:,.0f}/s{share}{kept}"


def _duration(seconds: float) -> str:
    """Seconds below two minutes, then minutes, then hours and minutes."""
    if seconds < 120:
        return f"{seconds:,.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60:,} h {minutes % 60} min"
