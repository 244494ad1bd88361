"""Sweeps: models x platforms x budgets x seeds from one TOML file, each an exploration of its own."""

from dse.sweep.runs import SweepRun, runs_of
from dse.sweep.study import StudyError, SweepStudy, read_study
from dse.sweep.summary import Outcome, Status, SummaryRow, write_summary
from dse.sweep.sweep import SweepProgress, run_sweep

__all__ = [
    "Outcome",
    "Status",
    "StudyError",
    "SummaryRow",
    "SweepProgress",
    "SweepRun",
    "SweepStudy",
    "read_study",
    "run_sweep",
    "runs_of",
    "write_summary",
]
