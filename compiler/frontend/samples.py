"""Arrays of an .npz file, and which of them belongs to which input of a model."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from compiler.frontend.errors import ModelError

Arrays = Mapping[str, npt.NDArray[Any]]
_NUMBERED = re.compile(r"(arr|input)_\d+")


def read_arrays(path: Path) -> Arrays:
    """All arrays of the .npz at `path`, in the file's order; raises ModelError."""
    try:
        if not zipfile.is_zipfile(path) and path.is_file():
            raise ModelError(f"{path}: calibration data is an .npz archive, which this is not")
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (ValueError, EOFError, TypeError, zipfile.BadZipFile) as error:
        if isinstance(error, ModelError):
            raise
        why = " ".join(str(error).split())[:120]
        raise ModelError(f"{path}: not an .npz archive of plain arrays ({why})") from error


def by_input(arrays: Arrays, names: Sequence[str]) -> Arrays:
    """The arrays under the names of the inputs.

    An array belongs to the input whose name it has; the only array belongs to the only input. Archives
    that number their arrays (`arr_0`, `input_0`, as numpy writes them without names) have them in the order
    of the inputs, and may have more. Inputs without an array are missing from the answer.
    """
    if any(name in arrays for name in names):
        return {name: arrays[name] for name in names if name in arrays}
    numbered = len(arrays) >= len(names) and all(_NUMBERED.fullmatch(name) for name in arrays)
    if numbered or len(arrays) == len(names) == 1:
        return dict(zip(names, arrays.values(), strict=False))
    return {}
