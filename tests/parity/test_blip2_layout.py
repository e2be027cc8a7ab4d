"""BLIP-2 between transformers and us: its folder read here, ours written and read there."""

import random
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from tests.checkpoint import published_blip2
from tests.checkpoint.published_blip2 import LINE_END
from tests.checkpoint.test_llava import edit
from tests.laws.debug_models import answered, build_subject, picture
from tests.laws.debug_scorers import build_scorer
from tests.parity.families.blip2 import (
    ONE_PICTURE,
    PICTURES,
    SEED,
    SEVERAL,
    TEXTS,
    TheirRetriever,
    compare,
    given_to,
    rows,
)
from tests.parity.round_trip import check_round_trip, differences, exported

from triptych.checkpoint.layouts import export_model, import_model, open_model
from triptych.checkpoint.model_folder import LoadedModel
from triptych.checkpoint.scorers import export_scorer, import_scorer
from triptych.errors import ConfigError, UsageError
from triptych.processor import Message, ask_about

transformers = pytest.importorskip("transformers")

PIXEL_TOLERANCE = 1e-6
"""They round in another order; pixels are numbers up to 2.7."""


@pytest.fixture(scope="module")
def trip(tmp_path_factory) -> tuple[Any, LoadedModel, Path]:
    """The reference, ours as read from its folder, and our export."""
    folder = tmp_path_factory.mktemp("blip2")
    reference = published_blip2.blip2(SEED)
    published_blip2.save(folder / "theirs", reference)
    return reference, *exported(folder)


def load(folder: Path) -> Any:
    return transformers.Blip2ForConditionalGeneration.from_pretrained(
        folder, attn_implementation="eager"
    ).eval()


def test_numbers_are_those_of_transformers():
    """Measured worst case on a CPU: 1.7e-6, where logits spread by 0.8."""
    found = rows()
    assert [row.family for row in found] == [
        "BLIP-2 (one picture)",
        "BLIP-2 (several pictures)",
        "BLIP-2 retrieval",
    ]
    assert all(row.is_met() and row.spread > 0.1 for row in found)


def test_everything_comes_back(trip):
    reference, ours, folder = trip
    samples = [ours.processor.encode(each, add_generation_prompt=True) for each in ONE_PICTURE]
    given = given_to(ours.processor.collate(samples, pad="left"))
    # A Q-Former without its text side has no positions.
    unread = ("qformer_config.max_position_embeddings",)
    check_round_trip(reference, load(folder), given, num_tensors=100, unread=unread)


def text_of(ours: LoadedModel, messages: list[Message]) -> str:
    """The conversation as the published processor is told it: without pictures and beginning."""
    template = ours.processor.template
    text = template.render(messages, add_generation_prompt=True)
    return text.replace(template.image_token, "").removeprefix(template.bos_token)


def conversations() -> list[list[Message]]:
    """200 of them, drawn."""
    chance = random.Random(0)
    words = ("Question:", "what is it?", "Answer:", "e\u0301", "\n", "123", " ", "a <b>")
    said = [
        [" ".join(chance.choices(words, k=chance.randrange(1, 6))) for _ in "abc"]
        for _ in range(200)
    ]
    drawn: list[list[Message]] = []
    for first, second, third in said:
        start = ask_about([picture(0)][: chance.randrange(2)], first)
        if chance.random() < 0.3:
            start = [{"role": "system", "content": third}, *start]
        more = [*answered(start, second), *ask_about([], third)]
        drawn.append(more if chance.random() < 0.5 else start)
    return drawn


def test_token_ids_and_pixels_are_those_of_transformers(trip):
    _, ours, folder = trip
    for source in (folder, folder.parent / "theirs"):
        theirs = transformers.AutoProcessor.from_pretrained(source)
        drawn = conversations()
        for messages in drawn if source == folder else drawn[:20]:
            sample = ours.processor.encode(messages, add_generation_prompt=True)
            images = [Image.fromarray(picture(0))] if sample.images else None
            given = theirs(images=images, text=text_of(ours, messages), return_tensors="pt")
            assert sample.token_ids == given["input_ids"][0].tolist()
            if images:
                difference = sample.images[0].pixels - given["pixel_values"][0]
                assert difference.abs().max() <= PIXEL_TOLERANCE


def test_several_pictures_stand_in_front_of_everything(trip):
    _, ours, _ = trip
    sample = ours.processor.encode(SEVERAL[1], add_generation_prompt=True)
    assert [span.start for span in sample.spans] == [0, 5]
    text = ours.processor.tokenizer.decode(sample.token_ids[10:], skip_special=False)
    assert text == "</s>hi and here?"


def test_an_answer_ends_at_a_line_end_too(trip):
    """As the published generation settings say; the line end is an ordinary token."""
    _, ours, folder = trip
    line_end = ours.processor.tokenizer.ordinary(LINE_END)
    assert ours.processor.template.stop_tokens == (LINE_END,)
    assert ours.processor.end_ids == (ours.processor.tokenizer.special("</s>"), line_end)
    assert import_model(folder).processor.template.stop_tokens == (LINE_END,)


def test_a_language_panel_with_an_encoder_is_refused(trip, tmp_path):
    reference, _, _ = trip
    published_blip2.save(tmp_path / "t5", reference)
    edit(tmp_path / "t5" / "config.json", text_config={"model_type": "t5"})
    with pytest.raises(ConfigError, match="model_type is 't5'; of the BLIP-2 models only those"):
        import_model(tmp_path / "t5")


@torch.no_grad()
def test_the_debug_twin_says_the_same_there(tmp_path):
    debug = build_subject("blip2_debug")
    ours = LoadedModel(debug.architecture, debug.model, debug.processor)
    export_model(tmp_path / "hf", ours)
    theirs = load(tmp_path / "hf")
    samples = [ours.processor.encode(each, add_generation_prompt=True) for each in ONE_PICTURE]
    inputs = ours.processor.collate(samples, pad="left")
    difference = ours.model(inputs) - theirs(**given_to(inputs)).logits
    assert difference[inputs.token_mask].abs().max() <= 2e-5


def test_a_retriever_comes_back(tmp_path):
    reference = published_blip2.retriever()
    published_blip2.save(tmp_path / "theirs", reference)
    ours = import_scorer(tmp_path / "theirs")
    export_scorer(tmp_path / "ours", ours, shard_bytes=50_000)
    theirs = TheirRetriever(tmp_path / "ours")
    before, after = reference.state_dict(), theirs.model.state_dict()
    assert set(before) == set(after) and len(before) > 100
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())
    # A retriever has no language model, though its settings always describe one.
    found = differences(reference.config.to_dict(), theirs.model.config.to_dict())
    assert {name for name in found if not name.startswith(".text_config")} == set()
    assert compare(ours, theirs).is_met()
    given = theirs.inputs(PICTURES, TEXTS)
    token_ids, token_mask = ours.processor.encode_texts(TEXTS)
    assert torch.equal(token_ids, given["input_ids"][:, 5:])
    assert torch.equal(token_mask.long(), given["attention_mask"][:, 5:])


def test_the_debug_retriever_says_the_same_there(tmp_path):
    ours = build_scorer("blip2_itm_debug")
    export_scorer(tmp_path / "hf", ours)
    given = ours.processor.encode(PICTURES, TEXTS)
    theirs = TheirRetriever(tmp_path / "hf")
    plain = {
        "pixel_values": given.pixels,
        "input_ids": given.token_ids,
        "attention_mask": given.token_mask.long(),
    }
    with torch.no_grad():
        scores = ours.model.score(given)
        assert (scores.similarities - theirs.similarities(plain)).abs().max() <= 2e-5
        assert (scores.probabilities - theirs.matches(plain)).abs().max() <= 2e-5


def test_forms_of_one_type_are_told_apart_by_their_class(trip, tmp_path):
    reference, _, folder = trip
    published_blip2.save(tmp_path / "itm", published_blip2.retriever())
    with pytest.raises(UsageError, match="BLIP-2 retrieval family, which scores but"):
        open_model(tmp_path / "itm")
    with pytest.raises(UsageError, match="does not score"):
        import_scorer(folder)
    # Settings that do not name their class are those of the generative form.
    published_blip2.save(tmp_path / "old", reference)
    edit(tmp_path / "old" / "config.json", architectures=None)
    import_model(tmp_path / "old")
