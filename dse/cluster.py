"""Blocks as tasks of a Dask cluster: workers evaluate, payloads come back, this process alone writes the run.

Workers need no file of the run. Each has to have the same dse installed: this is checked before the first block, and
again by every task, since workers may join at any time.
"""

from __future__ import annotations

import hashlib
import logging
import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

import dse
import pe_library
import workloads
from dse.errors import InputError, Problem, RunError, first
from dse.executors import Executor, Item, Results, Unit, Work, evaluated, in_flight
from dse.provenance import pe_hashes
from dse.space import DesignSpace

if TYPE_CHECKING:
    from distributed import Client

CONNECT_S = 10
SECONDS_BETWEEN_COMPLAINTS = 30.0
BLOCKS_PER_THREAD = 2  # one at work, one waiting
RETRIES = 2  # of a block that fails on one machine: on another
_CODE = (".py", ".json", ".csv", ".yaml")
KEPT = "what is finished is kept: run the same command again"

Installed = dict[str, str]  # what a result depends on besides the study: a name and its version or hash


@contextmanager
def cluster(address: str, space: DesignSpace, say: Callable[[str], None]) -> Iterator[Executor]:
    """An executor of the workers that the Dask scheduler at `address` has or gets.

    Raises InputError for what is no address, RunError where distributed is missing, the scheduler cannot be reached or
    is lost, or a worker has another dse.
    """
    if not re.fullmatch(r"(tcp|tls|ucx|wss?)://[^/\s]+:\d{1,5}", address):
        raise InputError(Problem("--scheduler", "must be tcp://HOST:PORT", address))
    try:
        from distributed import Client
    except ModuleNotFoundError as error:
        raise RunError(f"{error.name} is missing: pip install 'dse[cluster]'") from error
    log = logging.getLogger("distributed")
    level = log.level
    log.setLevel(logging.CRITICAL)  # what concerns the user, we say; in one line
    try:
        client = Client(address, timeout=CONNECT_S, set_as_default=False)
    except (OSError, ValueError) as error:
        log.setLevel(level)
        raise RunError(f"no Dask scheduler can be reached at {address} within {CONNECT_S} s") from error
    try:
        yield _Cluster(client, address, space, say).execute
    finally:
        client.close(timeout=CONNECT_S)
        log.setLevel(level)


def installed(space: DesignSpace) -> Installed:
    """What this process would compute with: version and code of dse, and the PE models that the space uses."""
    return {"dse": dse.__version__, **pe_hashes(space), "code and data": _code_sha256()}


def differences(address: str, theirs: Installed, ours: Installed) -> list[str]:
    """In words, what a worker has that is not ours."""
    names = [name for name in ours if theirs.get(name) != ours[name]]
    return [f"worker {address}: {name} {theirs.get(name, 'missing')}, here {ours[name]}" for name in names]


class _Cluster:
    """The workers of one scheduler, as an executor."""

    def __init__(self, client: Client, address: str, space: DesignSpace, say: Callable[[str], None]) -> None:
        self.client, self.address, self.space, self.say = client, address, space, say
        self.ours = installed(space)
        self.silent_until_s = 0.0

    def execute(self, unit: Unit[Item], work: Work[Item]) -> Results:
        """See `dse.executors`."""
        from distributed import KilledWorker

        while not self._threads():
            self._idle()
            time.sleep(0.5)
        _check_workers(self.client, self.space, self.ours)
        submit = partial(
            self.client.get_executor(pure=False, retries=RETRIES).submit, _evaluated_there, self.ours, self.space, unit
        )
        try:
            yield from in_flight(submit, work, self._window, self._idle, (KilledWorker,))
        except CancelledError as error:
            raise self._lost() from error
        except KilledWorker as error:
            raise RunError(f"a block ended every worker that had it: out of memory? {KEPT}") from error

    def _window(self) -> int:
        return BLOCKS_PER_THREAD * max(1, self._threads())

    def _threads(self) -> int:
        try:
            return sum(self.client.nthreads().values())
        except (OSError, TimeoutError) as error:
            raise self._lost() from error

    def _idle(self) -> None:
        """Say why nothing happens. Raises RunError when nothing ever will."""
        if self.client.status != "running":
            raise self._lost()
        if not self._threads() and time.monotonic() >= self.silent_until_s:
            self.silent_until_s = time.monotonic() + SECONDS_BETWEEN_COMPLAINTS
            self.say(f"no worker at {self.address}: waiting; `dask worker {self.address} --nthreads 1` starts one")

    def _lost(self) -> RunError:
        return RunError(f"the Dask scheduler at {self.address} is lost; {KEPT}")


def _check_workers(client: Client, space: DesignSpace, ours: Installed) -> None:
    problems: list[str] = []
    for worker, theirs in client.run(installed, space, on_error="return").items():
        if isinstance(theirs, dict):
            problems += differences(worker, theirs, ours)
        else:
            problems.append(f"worker {worker} has no dse that answers ({theirs})")
    _refuse(problems)


def _refuse(problems: list[str]) -> None:
    if problems:
        raise RunError(f"workers must have the dse of this machine. {first(problems, 3, '; ')}")


def _evaluated_there(ours: Installed, space: DesignSpace, unit: Unit[Item], block: Item) -> bytes:
    """The payload of a block, on a worker."""
    theirs = installed(space)
    if theirs != ours:
        from distributed import get_worker

        _refuse(differences(get_worker().address, theirs, ours))
    return evaluated(unit, block)


@cache
def _code_sha256() -> str:
    """Hash of the files that evaluations are made of, by package and path."""
    found = hashlib.sha256()
    for package in (dse, pe_library, workloads):
        folder = Path(str(package.__file__)).parent
        for path in sorted(folder.rglob("*")):
            if path.suffix in _CODE:
                found.update(f"{package.__name__}/{path.relative_to(folder).as_posix()}\n".encode())
                found.update(path.read_bytes())
    return found.hexdigest()
