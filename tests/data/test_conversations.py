"""Samples from conversations: planned as they are encoded, shrunk to fit, replaced when broken."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.data.drawn import write_picture
from tests.laws.debug_models import subject

from triptych.data import conversations as module
from triptych.data.conversations import ConversationSamples
from triptych.data.filters import FilterConfig
from triptych.data.ledger import Ledger
from triptych.data.sources import Conversation
from triptych.errors import ConfigError, DataError
from triptych.inputs import IGNORED
from triptych.media import Limits
from triptych.processor import Processor, Sample, ask_about

SIZES = [
    (8, 8),
    (17, 31),
    (40, 60),
    (60, 40),
    (64, 64),
    (97, 211),
    (211, 97),
    (300, 20),
    (150, 151),
]
POLICIES = [
    "llava_1_5_debug",  # padded to a square
    "llava_next_debug",  # canvases
    "internvl_debug",  # grids of similar shape
    "smolvlm_debug",  # longest edge, words around tiles
    "qwen2_vl_debug",  # own size
    "flamingo_debug",  # outside of the sequence
    "blip2_debug",  # fixed size
]


def about(
    name: str, pictures: Sequence[object], question: str = "what is it?", answer: str = "a cat"
):
    messages = (*ask_about(list(pictures), question), {"role": "assistant", "content": answer})
    return Conversation(name, messages)


def processor(name: str = "qwen2_vl_debug", **limits: Any) -> Processor:
    debug = subject(name)
    config = debug.architecture.processor
    max_tokens = limits.pop("max_tokens", config.max_tokens)
    return Processor(
        replace(config, max_tokens=max_tokens),
        debug.architecture.model,
        debug.processor.tokenizer,
        Limits(**limits) if limits else None,
    )


def take(samples: ConversationSamples, index: int) -> Sample:
    return samples.sample(index, torch.Generator())


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    return [
        write_picture(tmp_path / f"{index}.png", width, height, index)
        for index, (height, width) in enumerate(SIZES)
    ]


# -- planning --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", POLICIES)
def test_planned_sequences_are_the_encoded_ones(name: str, photos: list[Path]):
    debug = processor(name, max_tokens=4096)
    listed = [about(path.name, [path]) for path in photos]
    listed.append(about("two", photos[2:4], "which?"))
    listed.append(about("none", [], "hello?"))
    samples = ConversationSamples(debug, listed)
    assert samples.lengths() == tuple(
        len(take(samples, index).token_ids) for index in range(len(listed))
    )
    for conversation in listed:
        planned = samples.fitting.plan(conversation).sample
        encoded = samples.fitting.encode(conversation).sample
        assert planned.token_ids == encoded.token_ids
        assert planned.labels == encoded.labels
        assert planned.spans == encoded.spans
        assert torch.equal(planned.position_ids, encoded.position_ids)


def test_planning_decodes_no_picture(photos: list[Path], monkeypatch: pytest.MonkeyPatch):
    debug = processor()

    def refuse(*args: object) -> None:
        raise AssertionError("a picture was opened")

    monkeypatch.setattr(debug.pictures, "open", refuse)
    samples = ConversationSamples(debug, [about("7", photos[:2])])
    with pytest.raises(AssertionError, match="a picture was opened"):
        take(samples, 0)


def test_a_stored_picture_is_read_when_it_is_needed(photos: list[Path]):
    reads: list[str] = []

    class Stored:
        name = "7.png"

        def read(self) -> bytes:
            reads.append(self.name)
            return photos[2].read_bytes()

    samples = ConversationSamples(processor(), [about("7", [Stored()])], plan=False)
    assert reads == []
    direct = ConversationSamples(processor(), [about("7", [photos[2]])])
    assert torch.equal(take(samples, 0).images[0].pixels, take(direct, 0).images[0].pixels)
    assert reads == ["7.png"]


def test_answers_to_one_picture_share_a_sequence(photos: list[Path]):
    first, second = about("7", [photos[2]], answer="a cat"), about("7", [photos[2]], answer="a dog")
    both = replace(first, others=(second.messages,))
    sample = take(ConversationSamples(processor(), [both]), 0)
    assert len(sample.images) == 1
    assert sorted(set(sample.branches)) == [0, 1, 2]
    labelled = [label for label in sample.labels if label != IGNORED]
    said = subject("qwen2_vl_debug").processor.tokenizer.decode(labelled)
    assert "a cat" in said and "a dog" in said


def test_boxes_are_written_for_the_size_of_the_picture(photos: list[Path]):
    height, width = SIZES[5]
    box = {"type": "box", "box": [0, 0, width / 2, height / 4], "label": "cat"}
    messages = (*ask_about([photos[5]], "where?"), {"role": "assistant", "content": [box]})
    samples = ConversationSamples(processor(), [Conversation("7", messages)])
    decoded = processor().tokenizer.decode(take(samples, 0).token_ids, skip_special=False)
    assert "cat<|object_ref_end|><|box_start|>(0,0),(500,250)<|box_end|>" in decoded
    assert samples.lengths() == (len(take(samples, 0).token_ids),)


def test_rules_exclude_samples_without_a_fault(photos: list[Path]):
    listed = [about(path.name, [path]) for path in photos]
    rules = FilterConfig(min_side=20, max_aspect=2.0, scripts=("latin",))
    listed.append(about("cyrillic", [photos[2]], "что это?"))
    samples = ConversationSamples(processor(), listed, rules=rules, tolerate=0.0)
    assert len(samples) == len(samples.lengths()) == samples.ledger.num_kept == 4
    assert [(each.sample_id, each.reason) for each in samples.ledger.filtered] == [
        ("0.png", "picture too small"),
        ("1.png", "picture too small"),
        ("5.png", "picture too elongated"),
        ("6.png", "picture too elongated"),
        ("7.png", "picture too elongated"),
        ("cyrillic", "another script"),
    ]
    assert [take(samples, index).sample_id for index in range(4)] == [
        "2.png",
        "3.png",
        "4.png",
        "8.png",
    ]


def test_rules_without_a_plan_are_refused(photos: list[Path]):
    with pytest.raises(ConfigError, match="which only a plan knows"):
        ConversationSamples(
            processor(), [about("7", photos[:1])], rules=FilterConfig(min_side=1), plan=False
        )


# -- fitting ---------------------------------------------------------------------------------------


def test_a_budget_holds_for_every_picture_that_has_none_of_its_own(photos: list[Path]):
    own = about("own", [photos[5]])
    own.messages[0]["content"][0]["max_pixels"] = 80 * 80
    listed = [about("7", [photos[5]]), own]
    samples = ConversationSamples(processor(), listed, max_pixels=48 * 48)
    areas = [image.height * image.width for image in (take(samples, i).images[0] for i in (0, 1))]
    assert areas[0] <= 48 * 48 < areas[1] <= 80 * 80


def test_a_budget_for_a_model_of_one_size_is_refused(photos: list[Path]):
    with pytest.raises(ConfigError, match="leave them out"):
        ConversationSamples(processor("llava_1_5_debug"), [about("7", photos[:1])], max_pixels=100)


def test_pictures_that_would_not_fit_are_shrunk_and_listed(photos: list[Path]):
    two = about("7", [photos[5], photos[8]])
    whole = len(take(ConversationSamples(processor(), [two]), 0).token_ids)
    for missing in (1, 7, 20):
        samples = ConversationSamples(processor(max_tokens=whole - missing), [two])
        sample = take(samples, 0)
        assert len(sample.token_ids) <= whole - missing
        assert samples.lengths() == (len(sample.token_ids),)
        assert sample.num_truncated == 0
        assert len(sample.images) == 2
        [change] = samples.ledger.changed
        assert (change.sample_id, change.reason) == ("7", "picture shrunk")
        assert change.detail.count(" to ") == 2
        assert (samples.ledger.num_kept, samples.ledger.left_out) == (1, [])


def test_pictures_are_shrunk_enough_whatever_room_there_is(photos: list[Path]):
    two = about("7", [photos[5], photos[8]])
    [whole] = ConversationSamples(processor(), [two]).lengths() or ()
    for missing in range(1, 31):
        samples = ConversationSamples(processor(max_tokens=whole - missing), [two])
        assert (samples.lengths() or ())[0] <= whole - missing
        assert [change.reason for change in samples.ledger.changed] == ["picture shrunk"]


def test_questions_that_do_not_fit_are_left_out_from_the_last(photos: list[Path]):
    debug = processor("llava_1_5_debug")
    first, *others = [about("7", [photos[2]], f"what is thing {n}?", f"cat {n}") for n in range(4)]
    whole = replace(first, others=tuple(other.messages for other in others))
    lengths = [
        len(
            take(ConversationSamples(debug, [replace(whole, others=whole.others[:n])]), 0).token_ids
        )
        for n in range(4)
    ]
    tight = processor("llava_1_5_debug", max_tokens=lengths[2] + 1)
    samples = ConversationSamples(tight, [whole])
    sample = take(samples, 0)
    assert len(sample.token_ids) == lengths[2]
    assert [(c.reason, c.detail) for c in samples.ledger.changed] == [
        ("questions left out", "the last 1 of 4")
    ]


def test_a_long_answer_loses_its_end_and_is_listed(photos: list[Path]):
    long = about("7", [photos[2]], answer="a cat " * 50)
    debug = processor("llava_1_5_debug")
    whole = len(take(ConversationSamples(debug, [long]), 0).token_ids)
    tight = processor("llava_1_5_debug", max_tokens=whole - 9)
    samples = ConversationSamples(tight, [long])
    assert take(samples, 0).num_truncated == 9
    assert [(c.reason, c.detail) for c in samples.ledger.changed] == [("end cut off", "9 tokens")]


def test_what_cannot_be_made_to_fit_is_left_out(photos: list[Path]):
    debug = processor("llava_1_5_debug")
    good = about("good", [])
    listed = [about("7", photos[:3]), good, replace(good, sample_id="good2")]
    longest = ConversationSamples(debug, listed[1:]).lengths()[0]
    tight = processor("llava_1_5_debug", max_tokens=longest)
    samples = ConversationSamples(tight, listed, tolerate=0.5)
    [left_out] = samples.ledger.left_out
    assert (left_out.sample_id, left_out.reason) == ("7", "does not fit the model")
    assert "a picture would be cut" in left_out.detail


def test_a_sample_without_an_answer_is_left_out(photos: list[Path]):
    asked = Conversation("7", tuple(ask_about([photos[2]], "what?")))
    samples = ConversationSamples(processor(), [asked, about("8", photos[:1])], tolerate=0.5)
    assert "sample 7 has no answer to learn" in samples.ledger.left_out[0].detail


# -- faults ----------------------------------------------------------------------------------------


def broken(path: Path) -> Path:
    """The same picture, cut off in the middle of its pixels."""
    half = path.with_name(f"half-{path.name}")
    half.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return half


def faulty(photos: list[Path], num_good: int = 19) -> list[Conversation]:
    """One sample whose damage only decoding shows, number 3, among good ones."""
    listed = [about(f"good{index}", [photos[index % 5]]) for index in range(num_good)]
    return [*listed[:3], about("half", [broken(photos[4])]), *listed[3:]]


def test_a_broken_picture_is_replaced_by_another_and_listed_once(photos: list[Path]):
    samples = ConversationSamples(processor(), faulty(photos), tolerate=0.05)
    assert len(samples) == 20, "the header is whole"
    stood_in = [take(samples, 3) for _ in range(3)]
    assert len({sample.sample_id for sample in stood_in}) == 1
    assert stood_in[0].sample_id.startswith("good")
    [left_out] = samples.ledger.left_out
    assert (left_out.sample_id, left_out.reason) == ("half", "picture cannot be used")
    assert "cut off" in left_out.detail
    assert samples.ledger.num_kept == 19
    others = {
        take(
            ConversationSamples(processor(), faulty(photos), tolerate=0.05, plan=False, seed=seed),
            3,
        ).sample_id
        for seed in range(4)
    }
    assert len(others) > 1, "which one stands in depends on the seed"


def test_more_broken_pictures_than_tolerated_stop_the_run(photos: list[Path]):
    samples = ConversationSamples(processor(), faulty(photos), tolerate=0.049)
    with pytest.raises(DataError, match=r"1 of 20 samples \(5\.00%\).*\n  half: .*cut off"):
        take(samples, 3)


def test_faults_of_reading_count_too(photos: list[Path]):
    ledger = Ledger("photos", num_kept=20)
    ledger.leave_out("file:7", "invalid JSON")
    samples = ConversationSamples(processor(), faulty(photos), ledger=ledger, tolerate=0.09)
    with pytest.raises(DataError, match=r"2 of 21 samples"):
        take(samples, 3)


def test_what_the_header_shows_is_left_out_before_training(photos: list[Path], tmp_path: Path):
    (tmp_path / "empty.jpg").touch()
    listed = [*faulty(photos)[:3], about("empty", [tmp_path / "empty.jpg"])]
    samples = ConversationSamples(processor(), listed, tolerate=0.25)
    assert len(samples) == 3
    assert [each.sample_id for each in samples.ledger.left_out] == ["empty"]
    with pytest.raises(DataError, match=r"1 of 4 samples"):
        ConversationSamples(processor(), listed, tolerate=0.2)


def test_without_a_plan_lengths_are_unknown_and_faults_met_on_the_way(photos: list[Path]):
    samples = ConversationSamples(processor(), faulty(photos), plan=False, tolerate=0.05)
    assert samples.lengths() is None
    assert take(samples, 3).sample_id.startswith("good")


def test_what_a_worker_notices_reaches_the_run(photos: list[Path]):
    def fresh() -> ConversationSamples:
        return ConversationSamples(processor(), faulty(photos), tolerate=0.05)

    worker, run = fresh(), fresh()
    sample, notes = worker.noted_sample(3, torch.Generator())
    assert sample.sample_id == take(run, 3).sample_id
    assert [(note.sample_id, note.reason) for note in notes] == [("half", "picture cannot be used")]
    assert worker.noted_sample(3, torch.Generator())[1] == notes, "of one number always the same"
    assert worker.noted_sample(4, torch.Generator())[1] == []
    run.note(3, notes)
    run.note(3, notes)
    assert [each.sample_id for each in run.ledger.left_out] == ["half"]
    assert run.ledger.as_dict() == worker.ledger.as_dict()
    strict = ConversationSamples(processor(), faulty(photos), tolerate=0.0)
    with pytest.raises(DataError, match="1 of 20"):
        strict.note(3, notes)


def test_changes_are_noted_where_no_plan_has_listed_them(photos: list[Path]):
    long = about("7", [photos[2]], answer="a cat " * 50)
    whole = ConversationSamples(processor("llava_1_5_debug"), [long]).lengths() or ()
    tight = processor("llava_1_5_debug", max_tokens=whole[0] - 9)
    for plan, expected in ((True, []), (False, ["end cut off"])):
        samples = ConversationSamples(tight, [long], plan=plan)
        _, notes = samples.noted_sample(0, torch.Generator())
        assert [note.reason for note in notes] == expected
        assert [change.reason for change in samples.ledger.changed] == ["end cut off"]


def test_a_data_set_of_broken_pictures_ends_with_a_sentence(
    photos: list[Path], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(module, "_MAX_TRIES", 3)
    listed = [about("half", [broken(photos[4])]), about("half2", [broken(photos[3])])]
    samples = ConversationSamples(processor(), listed, tolerate=1.0)
    with pytest.raises(DataError, match="3 samples in place of number 0 are broken, too"):
        take(samples, 0)


def test_a_fault_of_the_program_is_no_fault_of_a_sample(
    photos: list[Path], monkeypatch: pytest.MonkeyPatch
):
    samples = ConversationSamples(processor(), faulty(photos), tolerate=1.0)

    def fail(conversation: Conversation) -> None:
        raise RuntimeError("a mistake in the program")

    monkeypatch.setattr(samples.fitting, "encode", fail)
    with pytest.raises(RuntimeError, match="a mistake"):
        take(samples, 0)
