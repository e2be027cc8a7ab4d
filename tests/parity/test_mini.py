"""The embedded model, exported and loaded by transformers' own class: same logits, same text."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tests.parity.test_qwen2_vl_layout import Theirs

from triptych.checkpoint.layouts import export_model, open_model
from triptych.checkpoint.model_folder import LoadedModel
from triptych.generate import GenerationOptions, generate
from triptych.processor import ask_about
from triptych.tasks import embedded_models

EXAMPLES = Path(__file__).parents[2] / "examples"

QUESTIONS = {
    "scene.png": "What colour is the hexagon?",
    "objects.png": "Find the grey heart.",
    "chart.png": "What is the value of Q3?",
    "receipt.png": "Transcribe everything that matters here as JSON.",
    "screen.png": "Where do I press to sign in?",
}

TOLERANCE = 1.3e-5
"""Of the spread of the logits, which trained weights make several times as wide as fresh ones: what
2e-5 was of the 1.5 by which those of the first weights spread. Measured worst case: 1.0e-5."""


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[LoadedModel, Theirs]:
    ours = open_model(embedded_models()["mini"])
    folder = tmp_path_factory.mktemp("hf") / "mini"
    export_model(folder, ours)
    return ours, Theirs(folder)


@pytest.mark.parametrize("name", QUESTIONS)
@torch.no_grad()
def test_transformers_sees_and_says_the_same(pair: tuple[LoadedModel, Theirs], name: str) -> None:
    ours, theirs = pair
    picture = np.asarray(Image.open(EXAMPLES / name).convert("RGB"))
    messages = ask_about([picture], QUESTIONS[name])
    sample = ours.processor.encode(messages, add_generation_prompt=True)
    given = theirs.inputs(messages)
    assert sample.token_ids == given["input_ids"][0].tolist()

    mine = ours.model(ours.processor.collate([sample]))
    others = theirs.model(**given).logits
    assert others.std() > 0.5
    assert (mine - others).abs().max() <= TOLERANCE * others.std()

    whole = theirs.model.generate(**given, max_new_tokens=24, do_sample=False)
    said = whole[0, given["input_ids"].shape[1] :]
    text = theirs.tokenizer.decode(said, skip_special_tokens=True)
    answer = generate(ours.model, ours.processor, [sample], GenerationOptions(max_new_tokens=24))[0]
    assert list(answer.token_ids) == said.tolist()[: len(answer.token_ids)]
    assert answer.text == text


def test_the_package_stays_small() -> None:
    folder = embedded_models()["mini"]
    assert sum(path.stat().st_size for path in folder.iterdir()) < 25e6
