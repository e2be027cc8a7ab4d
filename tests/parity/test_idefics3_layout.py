"""Idefics3 and SmolVLM between transformers and us: numbers, folders, token ids and pixels."""

import random
from pathlib import Path
from typing import Any

import pytest
from tests.laws.debug_models import picture
from tests.parity.families import idefics3 as family
from tests.parity.round_trip import check_round_trip, exported
from tests.parity.test_llava_next_layout import in_parts
from torch import Tensor

from triptych.checkpoint.layouts import import_model
from triptych.checkpoint.model_folder import LoadedModel
from triptych.processor import ask_about

transformers = pytest.importorskip("transformers")

PIXEL_TOLERANCE = 1e-6
"""They round in another order; pixels are numbers from -1 to 1."""

UNREAD = (".architectures", ".model_type", ".use_cache")
"""What a panel alone would be called; a SmolVLM is written as an Idefics3."""

CONVERSATIONS = [
    ask_about([], "is there a cross?"),
    ask_about([picture(0, 40, 70)], "what is it?"),
    [
        {"role": "system", "content": "You look at pictures."},
        *ask_about([picture(1, 90, 20), picture(2, 24, 24)], "which is red? e\u0301 123"),
    ],
    [
        *ask_about([picture(3, 13, 91)], "\nhi"),
        {"role": "assistant", "content": "hello"},
        *ask_about([picture(4, 64, 48)], "and?"),
    ],
    [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "between \n"},
                {"type": "image", "image": picture(5, 30, 30)},
                {"type": "image", "image": picture(6, 20, 90)},
                {"type": "text", "text": "\n and behind"},
            ],
        }
    ],
]


class Theirs:
    """What transformers makes of a folder."""

    def __init__(self, folder: Path) -> None:
        self.processor = transformers.AutoProcessor.from_pretrained(folder)
        self.model = transformers.Idefics3ForConditionalGeneration.from_pretrained(
            folder, attn_implementation="eager"
        ).eval()

    def inputs(self, messages: list[Any]) -> dict[str, Tensor]:
        """All by their processor."""
        return self.processor.apply_chat_template(
            [in_parts(message) for message in messages],
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
        )


@pytest.fixture(scope="module", params=list(family.KINDS))
def pair(request, tmp_path_factory) -> tuple[Any, LoadedModel, Theirs]:
    """The reference, ours as read from its folder, and theirs as read from our export."""
    folder = tmp_path_factory.mktemp("idefics3")
    given = family.reference(**family.KINDS[request.param])
    family.save(folder / "theirs", given)
    ours, written = exported(folder)
    return given, ours, Theirs(written)


def test_all_rows_of_the_table_are_met():
    """Measured worst case on a CPU: 1.7e-6 vision, 2.4e-6 connector, 5.1e-6 logits."""
    rows = family.rows()
    assert len(rows) == 3 and all(row.is_met() for row in rows), rows


def test_the_reference_comes_back_from_our_export(pair):
    before, ours, theirs = pair
    samples = [ours.processor.encode(each, add_generation_prompt=True) for each in family.BATCH]
    inputs = family.given_to(ours.processor.collate(samples, pad="left"))
    check_round_trip(before, theirs.model, inputs, num_tensors=60, unread=UNREAD)


@pytest.mark.parametrize("messages", CONVERSATIONS)
def test_token_ids_and_pixels_are_those_of_transformers(pair, messages):
    _, ours, theirs = pair
    check_inputs(ours, theirs, messages)


@pytest.mark.parametrize("options", [{"splits": False}, {"edge": family.TILE}])
def test_pictures_that_are_seen_whole_are_those_of_transformers(tmp_path, options):
    family.save(tmp_path / "theirs", family.reference(), **options)
    ours, written = exported(tmp_path)
    for messages in CONVERSATIONS[1:3]:
        check_inputs(ours, Theirs(written), messages)


def check_inputs(ours: LoadedModel, theirs: Theirs, messages: list[Any]) -> None:
    sample = ours.processor.encode(messages, add_generation_prompt=True)
    given = theirs.inputs(messages)
    assert sample.token_ids == given["input_ids"][0].tolist()
    tiles = [tile for image in sample.images for tile in image.pixels]
    for tile, pixels in zip(tiles, given.get("pixel_values", [[]])[0], strict=True):
        assert (tile - pixels).abs().max() <= PIXEL_TOLERANCE
    slots = [position for span in sample.spans for position in span.positions]
    places = enumerate(sample.token_ids)
    assert slots == [place for place, id in places if id == ours.processor.image_id]


def test_conversations_drawn_at_random_have_the_token_ids_of_transformers(pair):
    _, ours, theirs = pair
    """Measured apart: none of 200 differ, of this family, of LLaVA-NeXT and of InternVL."""
    drawn = random.Random(0)
    for _ in range(24):
        check_inputs(ours, theirs, conversation(drawn))


def conversation(drawn: random.Random, foreign: str = "<s>") -> list[Any]:
    """Turns of pictures and texts, white space and a special spelling of other models included."""
    words = ["what", " is", "\n", "\n\n", "  ", foreign, "rouge é", "1.5", "?", "a b"]
    messages: list[Any] = []
    for turn in range(drawn.choice((1, 1, 3))):
        if turn % 2:
            messages.append({"role": "assistant", "content": "".join(drawn.choices(words, k=3))})
            continue
        parts: list[Any] = []
        for _ in range(drawn.randint(1, 3)):
            if drawn.random() < 0.5:
                size = drawn.randint(5, 90), drawn.randint(5, 90)
                parts.append({"type": "image", "image": picture(drawn.randint(0, 99), *size)})
            else:
                parts.append({"type": "text", "text": "".join(drawn.choices(words, k=4))})
        messages.append({"role": "user", "content": parts})
    return messages


def test_slots_stand_between_the_words_of_rows_and_columns(pair):
    _, ours, _ = pair
    sample = ours.processor.encode(ask_about([picture(0, 20, 60)], "hi"))
    [span] = sample.spans
    assert (span.tiles.rows, span.tiles.cols) == (1, 3)
    share = span.num_slots // 4
    words = ours.processor.tokenizer.decode(
        [id for id in sample.token_ids if id != ours.processor.image_id], skip_special=False
    )
    around = "<fake_token_around_image>"
    assert words.startswith(
        f"<|im_start|>User:{around}<row_1_col_1>{around}<row_1_col_2>{around}<row_1_col_3>"
        f"\n\n{around}<global-img>{around}hi<end_of_utterance>"
    )
    # Two tokens stand between neighbouring tiles.
    assert span.offsets[share] == share + 2
    assert span.stop == span.positions[-1] + 1 < len(sample.token_ids)


def test_a_picture_is_not_cut_in_two_by_the_longest_sequence(pair):
    from dataclasses import replace

    from triptych.errors import TokenError
    from triptych.processor import Processor

    _, ours, _ = pair
    sample = ours.processor.encode(ask_about([picture(0, 20, 60)]))
    [span] = sample.spans
    config = replace(ours.processor.config, max_tokens=span.stop - 1)
    tight = Processor(config, ours.processor.model, ours.processor.tokenizer)
    with pytest.raises(TokenError, match="a picture would be cut"):
        tight.encode(ask_about([picture(0, 20, 60)]))


def test_clips_need_a_token_of_their_own(tmp_path):
    from tests.laws.debug_models import clip, watch

    from triptych.errors import TokenError

    family.save(tmp_path, family.reference("SmolVLM", factor=2))
    with pytest.raises(TokenError, match="no token for one"):
        import_model(tmp_path).processor.encode(watch(clip(0, 4)))


def test_words_that_are_no_special_tokens_are_written_as_text(tmp_path):
    """As in Idefics3 8B, whose vocabulary knows neither rows and columns nor the whole."""
    import json

    from triptych.architectures import debug_tokenizer

    specials = ("<|im_start|>", "<|im_end|>", "<fake_token_around_image>", "<image>")
    tokenizer = debug_tokenizer((*specials, "<end_of_utterance>"))
    family.save(tmp_path, family.reference())
    tokenizer.save(tmp_path / "tokenizer.json")
    config = json.loads((tmp_path / "config.json").read_text())
    config["image_token_id"] = tokenizer.special("<image>")
    config["text_config"]["eos_token_id"] = tokenizer.special("<end_of_utterance>")
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "generation_config.json").write_text(
        json.dumps({"eos_token_id": tokenizer.special("<end_of_utterance>")})
    )
    (tmp_path / "processor_config.json").write_text(
        json.dumps({"processor_class": "Idefics3Processor", "image_seq_len": 4})
    )
    ours = import_model(tmp_path)
    for messages in CONVERSATIONS:
        check_inputs(ours, Theirs(tmp_path), messages)
