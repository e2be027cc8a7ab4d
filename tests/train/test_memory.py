"""What becomes of the memory that a run frees, and how much it took."""

import subprocess
import sys

import pytest

KEEPING = """
import torch
from contextlib import nullcontext
from triptych.measure.memory import resident_bytes
from triptych.train.memory import freed_memory_kept, peak_memory_bytes

def held_after(block):
    with block:
        tensors = [torch.ones(1 << 20) for _ in range(64)]
        del tensors
        inside = resident_bytes()
    return inside, resident_bytes()

held_after(nullcontext())
before = resident_bytes()
inside, after = held_after(freed_memory_kept())
print(inside - before, after - before, peak_memory_bytes() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc alone can be told")
def test_freed_memory_stays_inside_of_the_block_and_goes_behind_it():
    done = subprocess.run([sys.executable, "-c", KEEPING], capture_output=True, check=True)
    inside, after, peak = map(int, done.stdout.split())
    num_bytes = 64 * (4 << 20)
    assert inside > 0.9 * num_bytes
    assert after < 0.1 * num_bytes
    assert peak >= inside
