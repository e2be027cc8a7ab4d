"""This machine: what it is, what it can do, and what the process holds."""

import itertools

import pytest
import torch

from triptych.measure import machine, memory, peaks
from triptych.measure.machine import Machine, this_machine
from triptych.measure.memory import forget_peak, peak_bytes, resident_bytes
from triptych.measure.peaks import best_seconds, measure_peaks, usual_kinds
from triptych.nn.quantised import has_int8

CPUINFO = """\
processor\t: 0
model name\t: Intel(R) Xeon(R) Gold 6338 CPU @ 2.00GHz
flags\t\t: fpu avx2 avx512f avx512_vnni

processor\t: 1
model name\t: another
flags\t\t: fpu
"""


def test_a_machine_is_named_by_what_it_says_of_itself(tmp_path, monkeypatch):
    (tmp_path / "cpuinfo").write_text(CPUINFO)
    monkeypatch.setattr(machine, "CPUINFO", tmp_path / "cpuinfo")
    told = this_machine()
    assert told.cpu == "Intel(R) Xeon(R) Gold 6338 CPU @ 2.00GHz"
    assert told.instructions == ("avx2", "avx512f", "avx512_vnni")
    assert told.name.startswith(f"intel-xeon-gold-6338-cpu-{told.cores}-core")


def test_a_machine_that_says_nothing_is_named_all_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "CPUINFO", tmp_path / "none")
    assert this_machine().cpu


def test_one_core_is_told_from_two():
    one = Machine(cpu="A B", cores=1, instructions=(), torch="2")
    assert one.name == "a-b-1-core"


def test_peaks_are_measured_for_every_kind(monkeypatch):
    monkeypatch.setattr(peaks, "SHAPES", ((8, 32, 16), (16, 64, 64)))
    monkeypatch.setattr(peaks, "READ_BYTES", 2**16)
    told = measure_peaks(["float32", "bfloat16", "float16"], seconds=0.0)
    assert list(told.gemm) == ["float32", "bfloat16", "float16"]
    assert min(told.gemm.values()) > 0 and told.read > 0
    assert told.num_threads == torch.get_num_threads()
    assert list(measure_peaks(seconds=0.0).gemm) == usual_kinds()
    assert ("int8" in usual_kinds()) == has_int8()


def test_a_peak_is_operations_over_the_best_time(monkeypatch):
    monkeypatch.setattr(peaks, "SHAPES", ((8, 32, 16),))
    monkeypatch.setattr(peaks, "READ_BYTES", 2**16)
    monkeypatch.setattr(peaks, "best_seconds", lambda work, seconds: 2.0)
    told = measure_peaks(["float32"])
    assert told.gemm == {"float32": 2 * 8 * 32 * 16 / 2.0}
    assert told.read == 2**16 / 2.0


def test_the_best_time_leaves_warmth_out(monkeypatch):
    took, now, calls = iter((100.0, 4.0, 2.0, 8.0)), 0.0, itertools.count()

    def work() -> None:
        nonlocal now
        next(calls)
        now += next(took)

    monkeypatch.setattr(peaks.time, "perf_counter", lambda: now)
    assert best_seconds(work, 0.0) == 2.0
    assert next(calls) == 4


@pytest.mark.skipif(not memory.CLEAR.exists(), reason="only Linux forgets a peak")
def test_a_peak_of_memory_is_forgotten():
    assert forget_peak()
    before = peak_bytes()
    block = torch.ones(10**7)
    assert peak_bytes() - before > 30e6
    del block
    assert forget_peak()
    assert peak_bytes() - before < 30e6
    assert abs(resident_bytes() - before) < 30e6


def test_where_the_system_does_not_tell_the_peak_is_that_of_the_run(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "STATUS", tmp_path / "none")
    monkeypatch.setattr(memory, "CLEAR", tmp_path / "none" / "none")
    assert not forget_peak()
    assert peak_bytes() == resident_bytes() == memory.peak_memory_bytes()
