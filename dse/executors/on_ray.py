"""Work in Ray actors, on this machine or on a cluster. Ray is imported when a pool is opened, not before."""

from __future__ import annotations

import logging
import os
import pickle
import socket
import sys
import traceback
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Generic

from dse.collector import collect_rarely
from dse.executors.base import Chunks, ExecutorError, In, Make, Out, Pool, chunk_bounds
from dse.executors.sources import PACKAGES, package_directory, sources_hash

# A chunk that took this many workers down is to blame itself: most likely it needs more memory than there is.
_DEATHS_PER_CHUNK = 3
_START_SECONDS = 60.0
_REACH_SECONDS = 5.0
_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # silences a warning about machines without GPU
    "RAY_DEDUP_LOGS": "0",
}


@dataclass(frozen=True)
class OnRay:
    """`workers` Ray actors of one CPU each (None: one for every CPU), at `address`, or on this machine.

    A cluster gets this process's sources with the job, and a worker that runs others is refused.
    """

    workers: int | None = None
    address: str | None = None

    @contextmanager
    def open(self, make: Make[In, Out]) -> Iterator[Pool[In, Out]]:
        """Connect, start the actors, end them and the connection. Raises ExecutorError with the reason."""
        for name, value in _ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        with _connected(self.address, self.workers) as ray:
            workers = self.workers or max(1, int(ray.cluster_resources().get("CPU", 1)))
            pool = _RayPool[In, Out](ray, workers, ray.put(_Recipe.of(ray, make)))
            try:
                pool.start()
                if self.address is not None:  # workers on this machine import the very same files
                    pool.check()
                yield pool
            finally:
                pool.close()


@contextmanager
def _connected(address: str | None, workers: int | None) -> Iterator[Any]:
    """The `ray` module, connected. A connection that was there before is used and left as it is."""
    try:
        import ray
    except ImportError as error:
        raise ExecutorError(f"several workers need Ray, which cannot be imported: {error}") from error
    if ray.is_initialized():
        yield ray
        return
    quiet: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
    try:
        if address is None:
            ray.init(address="local", num_cpus=workers, include_dashboard=False, **quiet)
        else:
            _check_reachable(address)
            ray.init(address=address, runtime_env={"py_modules": _packages()}, **quiet)
    except Exception as error:  # Ray has no common base: ConnectionError, RuntimeError, ValueError, its own
        raise ExecutorError(_no_connection(address, error)) from error
    try:
        yield ray
    finally:
        ray.shutdown()


def _no_connection(address: str | None, error: Exception) -> str:
    """Ray says nothing about authentication when a cluster that wants a token is asked without one."""
    if address is None:
        return f"Ray does not start on this machine: {_one_line(error)}"
    advice = "" if "RAY_AUTH_MODE" in os.environ else "; does the cluster want RAY_AUTH_MODE=token?"
    return f"Ray at {address}: {_one_line(error)}{advice}"


def _check_reachable(address: str) -> None:
    """Raises OSError at once where nobody listens; Ray itself tries for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host, int(port)), _REACH_SECONDS).close()


def _packages() -> list[str]:
    return [str(package_directory(name)) for name in PACKAGES]


def _one_line(error: BaseException) -> str:
    text = str(error).strip()
    return f"{type(error).__name__}: {text.splitlines()[0] if text else 'no reason given'}"


@dataclass(frozen=True)
class _Recipe:
    """What an actor is built from: the factory, pickled by Ray's pickler, and where its modules are found."""

    make: bytes
    path: tuple[str, ...]

    @classmethod
    def of(cls, ray: Any, make: Make[Any, Any]) -> _Recipe:
        return cls(ray.cloudpickle.dumps(make), tuple(sys.path))


@dataclass(frozen=True)
class _Raised:
    """An exception of the work on its way to the driver, with the worker's traceback as text."""

    error: Exception
    trace: str

    @classmethod
    def of(cls, error: Exception) -> _Raised:
        trace = traceback.format_exc()
        try:
            pickle.loads(pickle.dumps(error))
        except Exception:  # an exception may refuse pickling in any way; its text still travels
            error = ExecutorError(_one_line(error))
        return cls(error, trace)


def _pickled(results: list[Any]) -> bytes:
    """By Python's own pickler, or, where that refuses (classes of the driver's script), by Ray's."""
    try:
        return pickle.dumps(results, pickle.HIGHEST_PROTOCOL)
    except Exception:  # objects may refuse pickling in any way
        import ray

        return bytes(ray.cloudpickle.dumps(results))


class _Worker:
    """Lives in the actor's process."""

    def __init__(self, recipe: _Recipe) -> None:
        sys.path.extend(entry for entry in recipe.path if entry not in sys.path)
        self.make = recipe.make
        self.work: Any = None
        collect_rarely()

    def hash_of_sources(self) -> str:
        return sources_hash()

    def run(self, items: Sequence[Any]) -> bytes:
        """Results up to the first that failed, pickled here: Ray's own pickler takes twice as long."""
        results: list[Any] = []
        try:
            if self.work is None:
                self.work = pickle.loads(self.make)()
            for item in items:
                results.append(self.work(item))
        except Exception as error:  # the driver decides
            results.append(_Raised.of(error))
        return _pickled(results)


@dataclass(frozen=True)
class _Chunk(Generic[In]):
    first: int
    items: tuple[In, ...]
    deaths: int = 0


@dataclass
class _RayPool(Generic[In, Out]):
    """The live side of OnRay: actors, and which of them is idle. recipe: reference to the one of all."""

    ray: Any
    workers: int
    recipe: Any
    actors: list[Any] = field(default_factory=list)

    def start(self) -> None:
        """Start all actors; they build their work when the first items arrive."""
        self.actors = [self._actor() for _ in range(self.workers)]

    def check(self) -> None:
        """Wait for the actors and refuse those that run other code."""
        hashes = [actor.hash_of_sources.remote() for actor in self.actors]
        try:
            found = self.ray.get(hashes, timeout=_START_SECONDS)
        except self.ray.exceptions.GetTimeoutError as error:
            raise ExecutorError(
                f"{self.workers} workers did not start within {_START_SECONDS:.0f} s; the cluster offers "
                f"{self.ray.available_resources().get('CPU', 0):.0f} free CPUs"
            ) from error
        except self.ray.exceptions.RayError as error:
            raise ExecutorError(f"a worker did not start: {_one_line(error)}") from error
        check_sources(sources_hash(), found)

    def close(self) -> None:
        """End all actors, also busy ones."""
        for actor in self.actors:
            with suppress(Exception):  # a lost connection leaves nothing to end
                self.ray.kill(actor)

    def _actor(self) -> Any:
        return self.ray.remote(num_cpus=1)(_Worker).remote(self.recipe)

    def map(self, items: Sequence[In], chunks: Chunks = 1) -> Iterator[Out]:
        """See Pool."""
        bounds = chunk_bounds(len(items), chunks)
        todo = deque(_Chunk(first, tuple(items[first:end])) for first, end in bounds)
        done: dict[int, list[Any]] = {}
        busy: dict[Any, tuple[Any, _Chunk[In]]] = {}
        for first, _ in bounds:
            while first not in done:
                self._hand_out(todo, busy)
                self._collect(todo, busy, done)
            yield from _checked(done.pop(first))

    def _hand_out(self, todo: deque[_Chunk[In]], busy: dict[Any, tuple[Any, _Chunk[In]]]) -> None:
        """A chunk for every actor, and one that waits with it while more are left than there are actors.

        So it does not idle while its results travel, and none is left with two at the end.
        """
        while todo:
            held = Counter(actor for actor, _ in busy.values())
            actor = min(self.actors, key=lambda each: held[each])
            if held[actor] > (len(todo) > self.workers):
                return
            chunk = todo.popleft()
            busy[actor.run.remote(chunk.items)] = (actor, chunk)

    def _collect(
        self,
        todo: deque[_Chunk[In]],
        busy: dict[Any, tuple[Any, _Chunk[In]]],
        done: dict[int, list[Any]],
    ) -> None:
        """Wait for one chunk; one whose worker died goes back to the front of the queue, for a new worker."""
        (ready,), _ = self.ray.wait(list(busy), num_returns=1)
        actor, chunk = busy.pop(ready)
        try:
            done[chunk.first] = pickle.loads(self.ray.get(ready))
        except (self.ray.exceptions.RayActorError, self.ray.exceptions.ObjectLostError) as error:
            todo.appendleft(_once_more(chunk, error))
            self._replace(actor)

    def _replace(self, dead: Any) -> None:
        """A new actor instead of `dead`, which may only be out of reach, or replaced already."""
        with suppress(Exception):  # usually it is gone already
            self.ray.kill(dead)
        self.actors = [self._actor() if actor is dead else actor for actor in self.actors]


def check_sources(expected: str, found: Sequence[str]) -> None:
    """Raises ExecutorError if a worker's sources differ from the driver's."""
    for number, value in enumerate(found):
        if value != expected:
            raise ExecutorError(
                f"worker {number} runs other code than this process (sources {value[:12]}, here "
                f"{expected[:12]}); install the same version there or leave rvdse uninstalled"
            )


def _once_more(chunk: _Chunk[In], error: Exception) -> _Chunk[In]:
    if chunk.deaths + 1 >= _DEATHS_PER_CHUNK:
        raise ExecutorError(
            f"{_DEATHS_PER_CHUNK} workers died of the same {len(chunk.items)} items (out of memory?): "
            f"{_one_line(error)}"
        ) from error
    return _Chunk(chunk.first, chunk.items, chunk.deaths + 1)


def _checked(results: list[Any]) -> Iterator[Any]:
    for result in results:
        if isinstance(result, _Raised):
            result.error.add_note(f"in a worker:\n{result.trace}")
            raise result.error
        yield result
