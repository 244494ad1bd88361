"""Power coefficients of a platform from the energies that `costmodels/calibration` holds of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from costmodels.calibration.fit import Errors, errors_of
from costmodels.calibration.power import fit_power
from costmodels.errors import PlatformError
from costmodels.facts import Fact
from costmodels.validation.conditions import cluster_of
from costmodels.validation.energies import energy_samples


@dataclass(frozen=True)
class PowerCalibration:
    """samples: number of those that were fitted. values: by key of the platform's file, rounded as they
    stand there. errors: of what was held out, then of what was fitted.
    """

    platform: str
    samples: int
    values: Mapping[str, float]
    errors: tuple[Errors, ...]

    @property
    def facts(self) -> dict[str, Fact]:
        """The values as facts of the platform's file."""
        command = f"dse calibrate --power --platform {self.platform}"
        source = f"{self.samples} energies in calibration/, non-negative least squares: {command}"
        return {key: Fact(key, value, "FIT", source) for key, value in self.values.items()}


def calibrate_power(platform: str) -> PowerCalibration:
    """Fit a built-in platform. Raises PlatformError where nothing was measured of it."""
    samples = energy_samples(platform)
    if not samples:
        raise PlatformError(platform, "", "has no measured energies", "gap8 has, in costmodels/calibration")
    variant = samples[0][0]
    found = fit_power(variant, [sample for _, sample in samples]).rounded()
    fitted = found.applied(variant)
    cores = cluster_of(variant).cores
    errors: list[Errors] = []
    for name, use in (("energy of layers, held out", False), ("energy of layers, fitted", True)):
        own = [sample for _, sample in samples if sample.fitted == use]
        predicted = [sample.predicted_uj(fitted) for sample in own]
        measured = [sample.measured_uj for sample in own]
        errors.append(errors_of(name, cores, predicted, measured))
    count = errors[-1].count
    return PowerCalibration(platform, count, found.by_key(fitted), tuple(errors))
