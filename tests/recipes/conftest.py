"""What tests of recipes share."""

import pytest
import torch


@pytest.fixture(scope="module")
def one_thread():
    """Small products are quicker so, and come out alike everywhere."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
