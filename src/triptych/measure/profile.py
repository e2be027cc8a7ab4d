"""How fast a model is, beside what this machine can do at most.

No stage can take less time than its operations take at the measured GEMM rate, nor less than its
bytes take at the measured read bandwidth. The longer of the two bounds it, and the share of it in
the time taken says how much of the machine is used.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from triptych.checkpoint.model_folder import LoadedModel
from triptych.measure.machine import Machine, this_machine
from triptych.measure.peaks import GIGA, Peaks, measure_peaks, usual_kinds
from triptych.measure.stages import QUESTION, Stage, Stages, measure_stages
from triptych.measure.work import Work

Bound = Literal["GEMM", "read"]

MULTIPLIED_IN: Mapping[str, str] = {"int4": "bfloat16"}
"""Weights of four bits are multiplied as numbers of this kind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What was measured of a model on a machine."""

    model: str
    dtype: str
    quantize: str
    """As it was asked for; empty for nothing."""
    machine: Machine
    peaks: Peaks
    measured: Stages

    def share(self, stage: Stage) -> tuple[float, Bound] | None:
        """Share of the peak that bounds a stage, and which that is; None where no work is counted.

        Above 1 the peaks were measured too low, on a machine that was busy then.
        """
        if not (stage.work.total or stage.work.num_bytes):
            return None
        least, bound = least_seconds(stage.work, self.peaks)
        return least * 1e3 / stage.ms, bound

    def as_dict(self) -> dict[str, object]:
        """Plain values, for JSON."""
        measured = self.measured
        return {
            "model": self.model,
            "dtype": self.dtype,
            "quantize": self.quantize,
            "machine": {"name": self.machine.name, **asdict(self.machine)},
            "peaks": self.peaks.as_dict(),
            "pictures": measured.num_pictures,
            "visual_tokens": measured.num_visual,
            "prompt_tokens": measured.num_prompt_tokens,
            "new_tokens": measured.num_new_tokens,
            "cache_bytes": measured.cache_bytes,
            "first_token_ms": measured.first_token_ms,
            "answer_ms": measured.answer_ms,
            "engine": {
                "first_token_ms": measured.served_first_ms,
                "token_ms": measured.served_step_ms,
                "first_token_times_ms": [each.first_s * 1e3 for each in measured.served],
            },
            "stages": {stage.name: self._stage(stage) for stage in measured.stages},
        }

    def _stage(self, stage: Stage) -> dict[str, object]:
        share, bound = self.share(stage) or (None, None)
        is_counted = share is not None
        return {
            "ms": stage.ms,
            "low_ms": min(stage.times_ms),
            "high_ms": max(stage.times_ms),
            "times_ms": list(stage.times_ms),
            "amount": stage.amount,
            "unit": stage.unit,
            "per_second": stage.per_second,
            "gflop": stage.work.total / GIGA if is_counted else None,
            "gflop_by_kind": {kind: n / GIGA for kind, n in stage.work.operations.items()},
            "gflop_per_s": stage.operations_per_second / GIGA if is_counted else None,
            "gb": stage.work.num_bytes / GIGA if is_counted else None,
            "gb_per_s": stage.bytes_per_second / GIGA if is_counted else None,
            "share_of_peak": share,
            "bounded_by": bound,
            "peak_memory_bytes": stage.peak_memory_bytes,
        }


def profile(
    loaded: LoadedModel,
    pictures: Sequence[object],
    question: str = QUESTION,
    *,
    clips: Sequence[object] = (),
    quantize: str = "",
    num_new_tokens: int = 16,
    repeats: int = 5,
    progress: Callable[[str], object] | None = None,
) -> Profile:
    """Measure a model stage by stage, and the machine's peaks before and after it.

    Args:
        loaded: What is measured.
        pictures: See `measure_stages`, as for what else is not said here.
        question: What is asked.
        clips: Shown behind the pictures.
        quantize: How the model was quantised, to be told with the result.
        num_new_tokens: Tokens decoded.
        repeats: How often.
        progress: Told what is being done.

    Raises:
        UsageError, MediaError, TokenError, CapacityError: see `measure_stages`.
    """
    say = progress or str
    dtype = str(loaded.model.language.dtype).removeprefix("torch.")
    kinds = dict.fromkeys([*usual_kinds(), dtype])
    say("peaks of this machine")
    before = measure_peaks(kinds)
    measured = measure_stages(
        loaded,
        pictures,
        question,
        clips=clips,
        num_new_tokens=num_new_tokens,
        repeats=repeats,
        progress=progress,
    )
    say("peaks again")
    return Profile(
        model=loaded.architecture.name,
        dtype=dtype,
        quantize=quantize,
        machine=this_machine(),
        peaks=before.better(measure_peaks(kinds)),
        measured=measured,
    )


def least_seconds(work: Work, peaks: Peaks) -> tuple[float, Bound]:
    """The time that work takes at least on a machine with these peaks, and which of them says so.

    Products of several kinds of numbers are made one after the other.
    """
    multiplying = sum(
        count / peaks.gemm[MULTIPLIED_IN.get(kind, kind)] for kind, count in work.operations.items()
    )
    reading = work.num_bytes / peaks.read
    return (multiplying, "GEMM") if multiplying >= reading else (reading, "read")
