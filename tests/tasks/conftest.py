"""One model for all tasks: a small Qwen2-VL, which knows boxes, points and clips."""

import pytest
from tests.laws.debug_models import subject

from triptych.checkpoint.model_folder import LoadedModel
from triptych.tasks import Assistant


def _loaded() -> LoadedModel:
    qwen = subject("qwen2_vl_debug")
    return LoadedModel(qwen.architecture, qwen.model, qwen.processor)


@pytest.fixture
def qwen() -> Assistant:
    return Assistant(_loaded())


@pytest.fixture
def drawn_only() -> Assistant:
    """The same as if it had come with the package."""
    return Assistant(_loaded(), embedded="mini")
