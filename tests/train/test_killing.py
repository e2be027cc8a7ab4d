"""Killed at random moments, runs still end with the numbers of one that nobody disturbed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("packed", [[], ["--packed"]], ids=["one a row", "packed"])
def test_killed_at_random_moments_a_run_ends_with_exactly_its_numbers(packed: list[str]) -> None:
    command = [sys.executable, "-m", "tests.train.killing", "--kills", "6", *packed]
    killed = subprocess.run(
        [*command, "--signals", "KILL", "KILL", "TERM"],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert killed.returncode == 0, killed.stdout + killed.stderr[-2000:]
    report = json.loads(killed.stdout)
    assert report["kills"] >= 6
    assert report["runs"] >= 1
    assert report["failures"] == []
