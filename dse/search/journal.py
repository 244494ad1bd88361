"""A journal file that is written once a batch: Optuna's own backend syncs the disk for every trial."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from optuna.storages.journal import BaseJournalBackend, JournalFileBackend


class BatchedJournal(BaseJournalBackend):
    """Keeps new records in memory until `flush` appends them in one locked write.

    What others append meanwhile (the dashboard: notes) stays in the file and is not seen here.
    """

    def __init__(self, path: Path) -> None:
        self._file = JournalFileBackend(str(path))
        self._records: list[dict[str, Any]] = list(self._file.read_logs(0))
        self._written = len(self._records)

    def read_logs(self, log_number_from: int) -> Iterable[dict[str, Any]]:
        """Records from this number on."""
        return self._records[log_number_from:]

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Remember records."""
        self._records.extend(logs)

    def flush(self) -> None:
        """Write what is not in the file yet."""
        if self._written < len(self._records):
            self._file.append_logs(self._records[self._written :])
            self._written = len(self._records)
