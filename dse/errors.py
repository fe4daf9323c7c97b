"""Errors that reach the user: bad input (exit code 2) and a run that failed (exit code 1)."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

FILE_PROBLEMS = 20


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with the input: where, which rule it breaks, the value, and what to do."""

    path: str
    rule: str
    value: object = None
    hint: str = ""

    def __str__(self) -> str:
        shown = "" if self.value is None else f", got {_short(self.value)}"
        hint = f" ({self.hint})" if self.hint else ""
        return f"{self.path}: {self.rule}{shown}{hint}"


class InputError(Exception):
    """The input breaks one or more rules; carries all of them. The command line exits with code 2."""

    def __init__(self, problems: Sequence[Problem] | Problem) -> None:
        self.problems = (problems,) if isinstance(problems, Problem) else tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))

    def __reduce__(self) -> tuple[type[InputError], tuple[tuple[Problem, ...]]]:
        """Pickled with its problems, so that it survives the way home from a worker process."""
        return InputError, (self.problems,)


def of_file(problems: Sequence[Problem], path: str) -> InputError:
    """The error of a file that breaks rules: its first `FILE_PROBLEMS` problems, then how many more there are."""
    more = len(problems) - FILE_PROBLEMS
    end = (Problem(path, f"and {more} more problems"),) if more > 0 else ()
    return InputError((*problems[:FILE_PROBLEMS], *end))


class RunError(Exception):
    """A valid request that could not be carried out. The command line exits with code 1."""


def did_you_mean(word: object, known: Iterable[str]) -> str:
    """A hint naming the closest known word, or the known words when none is close."""
    names = sorted(known)
    close = difflib.get_close_matches(str(word), names, n=1, cutoff=0.6)
    if close:
        return f"did you mean `{close[0]}`?"
    return "known: " + ", ".join(names[:20]) if names else ""


def first(names: Sequence[str], most: int, separator: str = ", ") -> str:
    """The first few of the names, for a message, and how many more there are."""
    more = len(names) - most
    return separator.join(names[:most]) + (f" and {more} more" if more > 0 else "")


def _short(value: object, limit: int = 60) -> str:
    text = repr(value)
    return text if len(text) <= limit else text[: limit - 3] + "..."
