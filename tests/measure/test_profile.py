"""Shares of the machine's peaks are plain arithmetic, told to people and to programs."""

import json
from dataclasses import replace

import numpy as np
import pytest
from tests.laws.debug_models import picture, subject

from triptych.checkpoint.model_folder import LoadedModel
from triptych.measure import profile as profile_module
from triptych.measure.machine import Machine
from triptych.measure.peaks import Peaks
from triptych.measure.profile import Profile, least_seconds, profile
from triptych.measure.report import draw_profile, endings, print_profile
from triptych.measure.request import Served
from triptych.measure.stages import STAGES, Stage, Stages
from triptych.measure.work import NOTHING, Work

PEAKS = Peaks(gemm={"float32": 100e9, "bfloat16": 200e9, "int8": 400e9}, read=10e9, num_threads=2)
MACHINE = Machine(cpu="Example 9000", cores=2, instructions=("avx2",), torch="2.0")


def stage(name: str, ms: float, work: Work) -> Stage:
    return Stage(
        name=name,
        times_ms=(ms - 1, ms, ms + 2),
        amount=50,
        unit="tokens",
        work=work,
        peak_memory_bytes=2 * 10**9,
    )


def drawn() -> Profile:
    """20 ms of opening, 100 of reading at half the peak, and 10 a token at a quarter."""
    stages = (
        stage("open", 20.0, NOTHING),
        stage("prefill", 100.0, Work({"float32": 5 * 10**9}, 10**6)),
        stage("decode", 10.0, Work({"float32": 10**6}, 25 * 10**6)),
    )
    measured = Stages(
        stages=stages,
        num_pictures=1,
        num_visual=30,
        num_prompt_tokens=50,
        num_new_tokens=8,
        cache_bytes=4_000_000,
        served=(Served(first_s=0.11, step_s=0.009), Served(first_s=0.11, step_s=None)),
    )
    return Profile(
        model="drawn",
        dtype="float32",
        quantize="",
        machine=MACHINE,
        peaks=PEAKS,
        measured=measured,
    )


@pytest.mark.parametrize(
    ("work", "seconds", "bound"),
    [
        (Work({"float32": 100 * 10**9}, 10**9), 1.0, "GEMM"),
        (Work({"float32": 10**9}, 10**9), 0.1, "read"),
        (Work({"float32": 50 * 10**9, "int8": 100 * 10**9}, 0), 0.75, "GEMM"),
        (Work({"int4": 100 * 10**9}, 0), 0.5, "GEMM"),
    ],
)
def test_the_longer_of_both_bounds_a_stage(work, seconds, bound):
    assert least_seconds(work, PEAKS) == (pytest.approx(seconds), bound)


def test_a_share_is_of_the_peak_that_bounds():
    told = drawn()
    assert told.share(told.measured["open"]) is None
    assert told.share(told.measured["prefill"]) == (pytest.approx(0.5), "GEMM")
    assert told.share(told.measured["decode"]) == (pytest.approx(0.25), "read")


def test_programs_read_every_figure():
    told = json.loads(json.dumps(drawn().as_dict()))
    assert told["first_token_ms"] == 120 and told["answer_ms"] == 200
    assert told["engine"] == {
        "first_token_ms": 110,
        "token_ms": 9,
        "first_token_times_ms": [110, 110],
    }
    assert told["machine"]["name"] == "example-9000-2-cores"
    assert told["peaks"] == {
        "gemm_gflop_per_s": {"float32": 100, "bfloat16": 200, "int8": 400},
        "read_gb_per_s": 10,
        "threads": 2,
    }
    assert told["stages"]["prefill"] == {
        "ms": 100,
        "low_ms": 99,
        "high_ms": 102,
        "times_ms": [99, 100, 102],
        "amount": 50,
        "unit": "tokens",
        "per_second": 500,
        "gflop": 5,
        "gflop_by_kind": {"float32": 5},
        "gflop_per_s": 50,
        "gb": 0.001,
        "gb_per_s": 0.01,
        "share_of_peak": 0.5,
        "bounded_by": "GEMM",
        "peak_memory_bytes": 2 * 10**9,
    }
    opened = told["stages"]["open"]
    assert {opened[key] for key in ("gflop", "gflop_per_s", "gb", "gb_per_s")} == {None}
    assert opened["share_of_peak"] is opened["bounded_by"] is None


def test_people_read_a_table(capsys):
    print_profile(drawn())
    out = capsys.readouterr().out
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert lines[0] == "drawn in float32: 50 tokens of prompt, 1 picture, 30 visual tokens"
    assert lines[1] == (
        "Example 9000, 2 threads: GEMM float32 100, bfloat16 200, int8 400 GFLOP/s; reads 10.0 GB/s"
    )
    assert "open 20.0 19.0-22.0 2,500 tokens - - - 2.00" in lines
    assert "prefill 100 99.0-102 500 tokens 50.0 0.01 50% GEMM 2.00" in lines
    assert "decode 10.0 9.00-12.0 5,000 tokens 0.10 2.50 25% read 2.00" in lines
    assert lines[-2:] == endings(drawn())
    assert lines[-1] == "by the engine: first token after 110 ms, 9.00 ms a token"
    assert "…" not in out


def test_the_picture_fills_each_bar_by_its_share():
    page = np.asarray(draw_profile(drawn())).astype(int)
    strong = (page == (31, 78, 121)).all(axis=-1).sum(axis=1)
    pale = (page == (178, 198, 216)).all(axis=-1).sum(axis=1)
    rows = [row for row in np.flatnonzero(pale) if pale[row] != pale[row - 1]]
    lengths = [(int(strong[row]), int(strong[row] + pale[row])) for row in rows]
    (none, opened), (half, prefill), (quarter, decode) = lengths
    assert none == 0 and half / prefill == pytest.approx(0.5, abs=0.01)
    assert quarter / decode == pytest.approx(0.25, abs=0.01)
    assert opened / prefill == pytest.approx(0.2, abs=0.01)
    assert decode / prefill == pytest.approx(0.8, abs=0.01)


def test_peaks_before_and_after_are_one(monkeypatch):
    measured = iter((PEAKS, replace(PEAKS, gemm={"float32": 120e9, "int8": 300e9}, read=9e9)))
    monkeypatch.setattr(profile_module, "measure_peaks", lambda kinds: next(measured))
    qwen = subject("qwen2_vl_debug")
    loaded = LoadedModel(qwen.architecture, qwen.model, qwen.processor)
    told = profile(loaded, [picture(0)], num_new_tokens=1, repeats=1)
    assert told.peaks.gemm == {"float32": 120e9, "bfloat16": 200e9, "int8": 400e9}
    assert told.peaks.read == 10e9
    assert list(told.as_dict()["stages"]) == list(STAGES)
