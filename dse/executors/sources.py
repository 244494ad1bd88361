"""Which code runs: a hash of the three packages' sources, equal on the driver and on its workers."""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path

PACKAGES = ("costmodels", "compiler", "dse")


def package_directory(name: str) -> Path:
    """Where package `name` lies. Raises ModuleNotFoundError if it cannot be imported."""
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(f"package {name} cannot be imported here")
    return Path(next(iter(spec.submodule_search_locations)))


def sources_hash() -> str:
    """SHA-256 (hex) over paths and contents of Python sources and platform files, wherever they lie."""
    digest = hashlib.sha256()
    for package in PACKAGES:
        root = package_directory(package)
        files = (path for path in root.rglob("*") if path.suffix in {".py", ".toml"} and path.is_file())
        for path in sorted(files, key=lambda path: path.relative_to(root).as_posix()):
            digest.update(f"{package}/{path.relative_to(root).as_posix()}\0".encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
