"""The HTML report of an explored directory: one file, no network, no script."""

from dse.report.page import write_report

__all__ = ["write_report"]
