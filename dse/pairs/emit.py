"""C projects of pairs: both networks in one program, proven against the reference."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from compiler.codegen.pair import PREFIX, Half, PairProgram, behind, emit_pair
from compiler.codegen.project import Golden
from compiler.counts import predict_counts
from compiler.ir.tensor import IntArray
from compiler.lower import lower
from dse.output.layout import DECODE, PREFILL
from dse.output.projects import (
    COUNTS_FILE,
    Proof,
    golden_vectors,
    layer_rows,
    prove_by_running,
    prove_by_simulation,
)
from dse.pairs.points import PairPoint
from dse.pairs.task import PairTask


@dataclass(frozen=True)
class PairEmitter:
    """Writes and proves projects of pairs. cores: of the platform."""

    task: PairTask
    prefill: Golden
    decode: Golden
    cores: int

    @classmethod
    def of(
        cls, task: PairTask, prefill: Mapping[str, IntArray], decode: Mapping[str, IntArray], cores: int
    ) -> PairEmitter:
        """Golden vectors: prefill of its inputs, then one run of decode on the caches that it filled."""
        first = golden_vectors(task.prefill.module.main, prefill)
        second = behind(first, task.decode.module.main, decode, task.shared.caches)
        return cls(task, first, second, cores)

    def emit(self, directory: Path, point: PairPoint) -> Proof:
        """One project with `counts.json`. Without a compiler each half is simulated instead of being run.

        Raises EmissionError, DeploymentError.
        """
        halves = (
            Half(self.task.prefill.module.main, point.prefill.deployment, self.prefill),
            Half(self.task.decode.module.main, point.decode.deployment, self.decode),
        )
        directory.mkdir(parents=True, exist_ok=True)
        programs = emit_pair(directory, *halves, self.task.shared.caches)
        document = self._counts(point, halves, programs)
        (directory / COUNTS_FILE).write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
        proof = prove_by_running(directory)
        if proof != "none":
            return proof
        for half in halves:
            counts = predict_counts(half.graph, half.deployment)
            prove_by_simulation(half.graph, lower(half.graph, half.deployment), counts, half.golden)
        return "simulated"

    def _counts(
        self, point: PairPoint, halves: tuple[Half, Half], programs: PairProgram
    ) -> dict[str, object]:
        """What `dse run` holds the C to: layers of one run of prefill, then of one of decode."""
        sides = zip((PREFILL, DECODE), halves, (point.prefill, point.decode), strict=True)
        return {
            "schema": 1,
            "model": f"{point.prefill.deployment.model} and {point.decode.deployment.model}",
            "platform": point.decode.deployment.platform,
            "prefix": PREFIX,
            "cores": self.cores,
            "latency_cycles": point.prefill.latency_cycles + point.decode.latency_cycles,
            "boot_bytes": programs.boot_bytes,
            "arena_bytes": dict(point.peak_bytes),
            "layers": [
                row
                for side, half, own in sides
                for row in layer_rows(own, predict_counts(half.graph, half.deployment), f"{side}: ")
            ],
        }
