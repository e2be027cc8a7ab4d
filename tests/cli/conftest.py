"""What every test of the command line needs: a way to run it, a model, a picture."""

from pathlib import Path

import pytest
from PIL import Image
from tests.cli.command import Command
from tests.laws.debug_models import subject

from triptych.checkpoint.model_folder import save_model


@pytest.fixture
def triptych(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(monkeypatch, capsys)


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run whose model has random weights."""
    run = tmp_path_factory.mktemp("run")
    chat = subject("qwen2_vl_debug")
    save_model(run / "model", chat.architecture, chat.model, chat.processor.tokenizer)
    return run


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    Image.linear_gradient("L").resize((60, 40)).convert("RGB").save(path)
    return path
