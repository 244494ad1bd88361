"""The timing program of studies/kernels: its rows run, and cores do not change what they compute."""

from __future__ import annotations

from pathlib import Path

from studies.kernels.__main__ import measure, predicted, project
from studies.kernels.rows import ROWS


def test_rows_run_on_one_core_and_on_eight(tmp_path: Path) -> None:
    project(tmp_path)
    one, eight = measure(tmp_path, "host", 1), measure(tmp_path, "host", 8)
    assert [checksum for _, checksum in one] == [checksum for _, checksum in eight]
    assert len({checksum for _, checksum in one}) > len(ROWS) * 2 // 3  # Outputs are not all alike.


def test_every_row_has_a_price() -> None:
    for row in ROWS:
        assert predicted(row, conflicts=True) >= predicted(row, conflicts=False) > 0
