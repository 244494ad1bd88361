"""The cost model beside everything that was measured: `validate()`; tables in `costmodels/calibration`."""

from __future__ import annotations

from costmodels.validation.report import Comparison, GroupError, Validation, validate

__all__ = ["Comparison", "GroupError", "Validation", "validate"]
