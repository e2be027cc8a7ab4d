"""Small things that many tests share."""

from pathlib import Path

import pytest

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
"""Real data lives beside the checkout; it is never committed."""


def shared_data(*parts: str) -> Path:
    """Path of a shared data file; skips the test, with the reason, where it is absent."""
    path = SHARED_DATA.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"needs {'/'.join(parts)} of the shared data folder, which is absent here")
    return path
