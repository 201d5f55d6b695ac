"""What a user may ask of the quantizer, checked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from reprlib import repr as short

from ...runtime.arguments import flag, names, one_of, real
from ...runtime.errors import InputError
from . import ranges
from .budget import Budget, given
from .samples import Source

MODES = ("int8", "dynamic", "float16")
IO = ("float32", "int8")
AS_IT_IS: tuple[str, tuple[str, ...], bool, str] = (ranges.AUTO, (), False, IO[0])
"""Method, layers that stay in float, whether fast, inputs and outputs: where nothing is said."""
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class Settings:
    """mode: of MODES; of "dynamic" samples only judge. calibration: samples; None for weights alone. validation:
    samples that judge, None for a fifth of the others. method: of ranges.METHODS, or "auto". keep_float: layers
    that stay in float. fast: histograms' least and largest number, nearest rounding and no more. integer_io: inputs
    and outputs become int8. min_agreement: what the result has to reach, as `Fidelity.agreement`, with as few
    further layers in float as that takes. budget: what it may cost, with whatever levels of the layers lose least."""

    mode: str = "int8"
    calibration: Source | None = None
    validation: Source | None = None
    method: str = ranges.AUTO
    keep_float: Sequence[str] = ()
    fast: bool = False
    integer_io: bool = False
    min_agreement: float | None = None
    budget: Budget | None = None
    progress: Progress | None = None

    @staticmethod
    def checked(
        mode: str | None,
        calibration: Source | None,
        validation: Source | None,
        method: str,
        keep_float: Sequence[str],
        fast: bool,
        io: str,
        min_agreement: float | None,
        budget: str | Budget | None,
        progress: Progress | None,
    ) -> Settings | None:
        """As `mj.convert` is given them; None where nothing is to be quantized. InputError where they make no sense."""
        fast, kept = flag("fast", fast), names("keep_float", keep_float)
        if progress is not None and not callable(progress):
            raise InputError(f"progress={short(progress)}: a function of (done, total, what) is wanted")
        if mode is None:
            samples, limits = (calibration, validation), (min_agreement, budget)
            if any(asked is not None for asked in (*samples, *limits)) or (method, kept, fast, io) != AS_IT_IS:
                raise InputError("how to quantize is said, and not what to: quantize='int8' is wanted, too")
            return None
        one_of("quantize", mode, MODES)
        if mode == "float16" and (calibration is not None or keep_float or fast):
            raise InputError("float16 is for weights alone, which takes no samples, keep_float or fast")
        if mode == "dynamic" and not (method == ranges.AUTO and not fast and io == IO[0] and min_agreement is budget):
            raise InputError("dynamic int8 has no ranges to choose: it takes keep_float and samples to judge by alone")
        one_of("method", method, (ranges.AUTO, *ranges.METHODS))
        one_of("io", io, IO)
        if min_agreement is not None and not 0 < real("min_agreement", min_agreement) <= 1:
            raise InputError(f"min_agreement {min_agreement} is no share between 0 and 1")
        judged = validation is not None and mode != "dynamic"
        if calibration is None and (io != IO[0] or judged or not min_agreement is budget is None):
            raise InputError("io, min_agreement, budget and validation take samples to calibrate with")
        if budget is not None and min_agreement is not None:
            raise InputError("min_agreement and budget exclude each other: the least loss is bought, or the least cost")
        return Settings(mode, calibration, validation, method, kept, fast, io != IO[0], min_agreement,
                        None if budget is None else given(budget), progress)  # fmt: skip

    def say(self, done: int, total: int, what: str) -> None:
        if self.progress is not None:
            self.progress(done, total, what)
