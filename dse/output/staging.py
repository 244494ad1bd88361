"""Directories that appear whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from dse.output.errors import OutputError


def always(_: Path) -> bool:
    """Any directory may be replaced."""
    return True


@dataclass(frozen=True)
class Destination:
    """A directory to be written. `ours` tells whether a directory that is there already may be replaced."""

    path: Path
    ours: Callable[[Path], bool]
    what: str = "an output directory of dse"

    def check(self) -> None:
        """Raises OutputError where writing would destroy something that is not ours, or cannot succeed."""
        path = self.path
        if path.is_symlink() or (path.exists() and not path.is_dir()):
            raise OutputError(f"{path} exists and is no directory")
        if path.is_dir() and any(path.iterdir()) and not self.ours(path):
            raise OutputError(f"{path} is not empty and not {self.what}; name another directory")
        parent = next(folder for folder in path.absolute().parents if folder.exists())
        if not parent.is_dir() or not os.access(parent, os.W_OK | os.X_OK):
            raise OutputError(f"{path} cannot be written: {parent} is not a writable directory")

    @contextmanager
    def staged(self) -> Iterator[Path]:
        """An empty directory beside `path` that takes its place if the block ends well, else vanishes.

        Parents that had to be made vanish as well. Raises OutputError.
        """
        self.check()
        made = [folder for folder in self.path.absolute().parents if not folder.exists()]
        try:
            self.path.absolute().parent.mkdir(parents=True, exist_ok=True)
            staging = Path(tempfile.mkdtemp(prefix=f".{self.path.name}.", dir=self.path.absolute().parent))
        except OSError as error:
            raise OutputError(f"{self.path} cannot be written: {error.strerror}") from error
        try:
            yield staging
            self._replace(staging)
        except BaseException:
            shutil.rmtree(staging, ignore_errors=True)
            _remove_empty(made)
            raise

    def _replace(self, staging: Path) -> None:
        """Put `staging` in place of `path`; what was there goes only after the new one stands."""
        staging.chmod(0o777 & ~_umask())
        if not self.path.exists():
            staging.rename(self.path)
            return
        old = Path(tempfile.mkdtemp(prefix=f".{self.path.name}.", dir=self.path.absolute().parent))
        self.path.rename(old)
        staging.rename(self.path)
        shutil.rmtree(old, ignore_errors=True)


def _remove_empty(folders: list[Path]) -> None:
    for folder in folders:
        try:
            folder.rmdir()
        except OSError:
            return


def _umask() -> int:
    """mkdtemp makes private directories; the result gets the user's usual mode."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
