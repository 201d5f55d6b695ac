"""A load as devices have it: so many inferences a second, and rest between them."""

from __future__ import annotations

import time
from typing import Final

import numpy as np

from ...runtime.system.collection import no_collection
from ..measure.pacing import paced
from ..measure.timing import Contender, summary
from ..report.bench_run import Duty
from .rounds import thinned

USUAL_SECONDS: Final = 10.0


def measure_duty(contender: Contender, rate: float, duration: float | None) -> Duty:
    """rate: inferences a second. duration: seconds, USUAL_SECONDS by default; one inference at least."""

    def inference() -> None:
        contender.feed()
        contender.invoke()

    with no_collection():
        inference()
        cpu = time.process_time()
        found = paced(inference, max(1, round((duration or USUAL_SECONDS) * rate)), rate)
        cpu = time.process_time() - cpu
    samples = np.array(found.seconds)
    figures, calls = summary(samples), len(samples)
    whole = found.end - found.start
    return Duty(
        rate=rate, reached=calls / whole, seconds=whole, calls=calls, late=found.late, median=figures["median"],
        p90=figures["p90"], p99=figures["p99"], cpu_s=cpu / calls, samples=thinned(samples),
    )  # fmt: skip
