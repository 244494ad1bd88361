"""The study on disk: an Optuna study for people and tools, and the points met, for a resume.

Nothing is written before something fits: a search that finds nothing leaves nothing behind.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import BaseStorage, JournalStorage, get_storage
from optuna.study import Study
from optuna.trial import FrozenTrial

from dse.points import Bound, DesignPoint
from dse.search.codec import from_plain, to_plain
from dse.search.history import Step
from dse.search.journal import BatchedJournal
from dse.search.outcome import SOURCE, TRIAL, both_constraint_keys, one_constraint_key

JOURNAL, POINTS = "study.journal", "study.points.jsonl"
_IDENTITY = "identity"
UNITS = {"latency": "latency_ms", "energy": "energy_uj", "memory": "memory_bytes"}


class StorageError(ValueError):
    """A study that cannot be written, read or continued; one clear line."""


@dataclass(frozen=True)
class Storage:
    """directory: gets `study.points.jsonl` and, without a url, the journal `study.journal`.

    url: of a database that Optuna can reach. name: of the study. identity: what was explored, as text by
    name (model hash, platform, budget, ...); a resume with another identity is refused. resume: continue
    what is there; without it a journal is replaced, and a study of that name in a database is an error.
    known_as: what people call the directory, where it is the copy of another one.
    """

    directory: Path
    name: str = "study"
    url: str | None = None
    identity: tuple[tuple[str, str], ...] = ()
    resume: bool = False
    known_as: Path | None = None

    @property
    def journal(self) -> Path:
        """Where the journal lies."""
        return self.directory / JOURNAL

    @property
    def points(self) -> Path:
        """Where the points lie."""
        return self.directory / POINTS


@dataclass(frozen=True)
class Saved:
    """What an earlier search left: its trials (source "trial"), its batches with their points, its bound."""

    trials: tuple[FrozenTrial, ...] = ()
    steps: tuple[Step, ...] = ()
    bound: Bound | None = None

    @property
    def points(self) -> tuple[DesignPoint, ...]:
        """In the order met."""
        return tuple(point for step in self.steps for point in step.points)


@dataclass
class Store:
    """The live side of a Storage. `identity` is completed by the search with its own options."""

    storage: Storage
    objectives: tuple[str, ...]
    identity: Mapping[str, str]
    study: Study | None = None
    journal: BatchedJournal | None = None
    waiting: list[FrozenTrial] = field(default_factory=list)

    def load(self) -> Saved:
        """What there is to continue from. Raises StorageError if it belongs to another search."""
        with _clear_errors(self.storage):
            found = self._study_there()
            if found is None:
                return Saved()
            if not self.storage.resume:
                where, name = _where(self.storage), self.storage.name
                raise StorageError(f"{where} has a study {name!r} already: resume it, or name another")
            self._check_identity(found)
            self.study = found
            trials = [_loaded(trial) for trial in found.trials if trial.user_attrs.get(SOURCE) == TRIAL]
        steps, bound = read_steps(self.storage.points)
        return Saved(tuple(trials), steps, bound)

    def append(self, trials: Iterable[FrozenTrial], step: Step, bound: Bound | None) -> None:
        """Record a batch. The points go first: after a crash there may be a point too many, never a trial."""
        self.waiting.extend(trials)
        if self.study is None and not step.points:
            return
        with _clear_errors(self.storage):
            study = self._opened()
            _append_step(self.storage.points, step, bound)
            self._add(study, self.waiting)
        self.waiting.clear()

    def add(self, trials: Sequence[FrozenTrial]) -> None:
        """Enter trials that no sampler asked for, except those whose values the study has already."""
        if self.study is None or not trials:
            return
        with _clear_errors(self.storage):
            known = {tuple(trial.values or ()) for trial in self.study.get_trials(deepcopy=False)}
            self._add(self.study, [trial for trial in trials if tuple(trial.values or ()) not in known])

    def _add(self, study: Study, trials: Iterable[FrozenTrial]) -> None:
        study.add_trials([_stored(trial) for trial in trials])
        if self.journal is not None:
            self.journal.flush()

    def _backend(self) -> BaseStorage:
        if self.storage.url is not None:
            return get_storage(self.storage.url)
        self.journal = BatchedJournal(self.storage.journal)
        return JournalStorage(self.journal)

    def _study_there(self) -> Study | None:
        """The stored study; None if there is none, or if it is a journal that is about to be replaced."""
        if self.storage.url is None:
            if not self.storage.resume or not self.storage.journal.exists():
                return None
            _drop_torn_line(self.storage.journal)
        try:
            return optuna.load_study(study_name=self.storage.name, storage=self._backend())
        except KeyError:
            return None

    def _opened(self) -> Study:
        if self.study is None:
            self.storage.directory.mkdir(parents=True, exist_ok=True)
            self.storage.points.write_text("", encoding="utf-8")
            if self.storage.url is None:
                self.storage.journal.unlink(missing_ok=True)
            self.study = optuna.create_study(
                storage=self._backend(),
                study_name=self.storage.name,
                directions=["minimize"] * len(self.objectives),
            )
            self.study.set_metric_names([UNITS[name] for name in self.objectives])
            self.study.set_user_attr(_IDENTITY, dict(self.identity))
        return self.study

    def _check_identity(self, study: Study) -> None:
        before = study.user_attrs.get(_IDENTITY, {})
        for name in dict.fromkeys((*self.identity, *before)):
            then, now = before.get(name), self.identity.get(name)
            if then != now:
                raise StorageError(f"{_where(self.storage)} was made with {name} {then}, not {now}")


def _where(storage: Storage) -> str:
    return storage.url or str((storage.known_as or storage.directory) / JOURNAL)


@contextmanager
def _clear_errors(storage: Storage) -> Iterator[None]:
    try:
        yield
    except StorageError:
        raise
    except Exception as error:  # drivers of databases raise what they like
        reason = str(error).strip().splitlines()
        raise StorageError(
            f"{_where(storage)}: {type(error).__name__}: {reason[0] if reason else 'no reason given'}"
        ) from error


def _drop_torn_line(path: Path) -> None:
    """A killed process may leave half a line, to which the next one would be glued."""
    data = path.read_bytes()
    whole = data.rfind(b"\n") + 1
    if whole < len(data):
        with path.open("r+b") as file:
            file.truncate(whole)


def _stored(trial: FrozenTrial) -> FrozenTrial:
    stored = copy.copy(trial)
    stored.system_attrs = both_constraint_keys(trial.system_attrs)
    return stored


def _loaded(trial: FrozenTrial) -> FrozenTrial:
    trial.system_attrs = one_constraint_key(trial.system_attrs)
    return trial


def _append_step(path: Path, step: Step, bound: Bound | None) -> None:
    records: list[dict[str, Any]] = [{"point": to_plain(point)} for point in step.points]
    plain = None if bound is None else to_plain(bound)
    records.append({"bound": plain, "trials": step.trials, "seconds": round(step.seconds, 3)})
    with path.open("a", encoding="utf-8") as file:
        file.writelines(json.dumps(record, separators=(",", ":")) + "\n" for record in records)


def read_steps(path: Path) -> tuple[tuple[Step, ...], Bound | None]:
    """Batches in the order written, and the last bound. Points of a batch that was cut off are kept."""
    steps: list[Step] = []
    points: list[DesignPoint] = []
    bound: Bound | None = None
    try:
        _drop_torn_line(path)
        for line in path.read_text(encoding="utf-8").splitlines():
            record = json.loads(line)
            if "point" in record:
                points.append(from_plain(DesignPoint, record["point"]))
                continue
            bound = None if record["bound"] is None else from_plain(Bound, record["bound"])
            steps.append(Step(int(record["trials"]), float(record["seconds"]), tuple(points)))
            points = []
    except (OSError, TypeError, KeyError, ValueError) as error:
        raise StorageError(f"{path}: {error}; search again without resuming") from error
    if points:
        last = steps[-1] if steps else Step(0, 0.0, ())
        steps.append(Step(last.trials, last.seconds, tuple(points)))
    return tuple(steps), bound
