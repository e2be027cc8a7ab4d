"""The transformers engine: what the native one says of the same weights, and other families too."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tests.checkpoint.published import small
from tests.engines.checkpoints import export_llava, write_idefics2
from tests.laws.debug_models import picture

import triptych
from triptych.checkpoint.layouts import export_model
from triptych.engines import Engine
from triptych.errors import EngineError, MissingExtraError, TokenError, UsageError
from triptych.generate import GenerationOptions
from triptych.generate.contrast import Contrast
from triptych.processor import ask_about
from triptych.tasks import Assistant

pytest.importorskip("transformers")

GREEDY = GenerationOptions(max_new_tokens=12)
SAMPLED = GenerationOptions(max_new_tokens=12, temperature=1.0, top_p=0.9, top_k=50, seed=3)
BEAMS = GenerationOptions(max_new_tokens=8, num_beams=3, length_penalty=0.7)
MIXED = replace(SAMPLED, min_p=0.002, repetition_penalty=1.4, num_alternatives=3)
DRAFTED = GenerationOptions(max_new_tokens=12, lookup=5, num_alternatives=2)
QUESTION = "what is to the left of the blue square?"

TOLERANCE = 1e-4
"""Of summed log-probabilities; measured worst case 4e-6."""


@pytest.fixture(scope="module")
def llava(tmp_path_factory) -> Path:
    return export_llava(tmp_path_factory.mktemp("engine") / "llava")


@pytest.fixture(scope="module")
def native(llava) -> Assistant:
    return triptych.load(llava)


@pytest.fixture(scope="module")
def foreign(llava) -> Assistant:
    return triptych.load(str(llava), engine="transformers")


@pytest.fixture(scope="module")
def idefics(tmp_path_factory) -> Assistant:
    folder = write_idefics2(tmp_path_factory.mktemp("engine") / "idefics2")
    return triptych.load(folder, engine="transformers")


def test_it_is_an_engine(foreign):
    assert isinstance(foreign.engine, Engine)


@pytest.mark.parametrize(
    "options",
    [GREEDY, SAMPLED, MIXED, DRAFTED, BEAMS],
    ids=["greedy", "sampled", "mixed", "drafted", "beams"],
)
def test_it_says_what_the_native_engine_says_of_the_same_weights(native, foreign, options):
    for pictures in ([picture(0)], [picture(1, 64, 48), picture(2)], []):
        ours, theirs = (each.ask(pictures, QUESTION, options) for each in (native, foreign))
        assert theirs.text == ours.text
        assert theirs.ended == ours.ended
        assert theirs.num_prompt_tokens == ours.num_prompt_tokens
        assert theirs.num_answer_tokens == ours.num_answer_tokens
        assert theirs.log_probability == pytest.approx(ours.log_probability, abs=TOLERANCE)
        assert theirs.log_probabilities == pytest.approx(ours.log_probabilities, abs=TOLERANCE)
        assert as_plain(theirs.alternatives) == as_plain(ours.alternatives)


def as_plain(steps) -> list[list[tuple[int, str]]]:
    return [[(each.token_id, each.text) for each in step] for step in steps]


def test_it_weakens_what_was_said_and_told(foreign):
    """By hand, from the model's own logits: slots of pictures do not count."""
    penalty = 1.3
    options = GenerationOptions(max_new_tokens=6, repetition_penalty=penalty, num_alternatives=3)
    engine = foreign.engine
    inputs = engine._inputs(ask_about([engine.open(picture(0))], QUESTION))
    slot = engine.model.config.image_token_id
    reply = engine.answer([ask_about([picture(0)], QUESTION)], options)[0]
    for index, token in enumerate(reply.token_ids):
        if slot in reply.token_ids[:index]:
            break  # a model of random weights says that too, and would look for a picture there
        said = torch.tensor([reply.token_ids[:index]], dtype=torch.long)
        grown = torch.cat([inputs["input_ids"], said], dim=1)
        whole = {**inputs, "input_ids": grown, "attention_mask": torch.ones_like(grown)}
        with torch.inference_mode():
            logits = engine.model(**whole).logits[0, -1].tolist()
        scores = torch.tensor(logits).log_softmax(-1)
        assert reply.log_probabilities[index] == pytest.approx(float(scores[token]), abs=TOLERANCE)
        for told, best in zip(reply.alternatives[index], scores.topk(3).indices, strict=True):
            assert told.token_id == int(best)
            assert told.log_probability == pytest.approx(float(scores[best]), abs=TOLERANCE)
        for seen in set(grown[0].tolist()) - {slot}:
            logits[seen] *= penalty if logits[seen] < 0 else 1 / penalty
        assert logits.index(max(logits)) == token
    assert index >= 3


def test_drafts_change_nothing_but_the_time(foreign):
    for options in (DRAFTED, replace(DRAFTED, repetition_penalty=1.4)):
        plain = foreign.ask([picture(0)], QUESTION, replace(options, lookup=0))
        drafted = foreign.ask([picture(0)], QUESTION, options)
        assert (drafted.text, drafted.ended) == (plain.text, plain.ended)
        assert drafted.log_probabilities == pytest.approx(plain.log_probabilities, abs=TOLERANCE)
        assert [[each.token_id for each in step] for step in drafted.alternatives] == [
            [each.token_id for each in step] for step in plain.alternatives
        ]
    streamed = foreign.stream([picture(0)], QUESTION, DRAFTED)
    assert "".join(streamed) == streamed.reply.text


def test_alternatives_are_told_as_text(foreign):
    answer = foreign.ask([picture(0)], QUESTION, MIXED)
    assert len(answer.alternatives) == answer.num_answer_tokens == len(answer.log_probabilities)
    decode = foreign.engine.tokenizer.decode
    for step in answer.alternatives:
        assert len(step) == 3
        assert all(each.text.strip() == decode([each.token_id]).strip() for each in step)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"contrast": Contrast()}, "transformers engine has no contrast; leave it out, or take th"),
        ({"lookup": 3, "temperature": 1.0}, "draws other words where it drafts them by lookup"),
    ],
)
def test_what_it_does_not_do_is_refused_in_one_sentence(foreign, options, said):
    with pytest.raises(UsageError, match=said):
        foreign.ask([picture(0)], QUESTION, GenerationOptions(**options))


def test_a_streamed_answer_is_the_answer(foreign):
    for options in (GREEDY, SAMPLED, BEAMS):
        streamed = foreign.stream([picture(0)], QUESTION, options)
        pieces = list(streamed)
        assert "".join(pieces) == streamed.reply.text
        assert streamed.reply.text.strip() == foreign.ask([picture(0)], QUESTION, options).text
        assert len(pieces) > 2 or options is BEAMS


def test_a_stop_text_ends_it(native, foreign):
    free = foreign.ask([picture(0)], QUESTION, SAMPLED).text
    options = replace(SAMPLED, stop=(free[3:5],))
    ours, theirs = (each.ask([picture(0)], QUESTION, options) for each in (native, foreign))
    assert (theirs.text, theirs.ended) == (ours.text, True)
    assert theirs.num_answer_tokens == ours.num_answer_tokens


def test_a_stream_that_is_left_stops_generating(foreign, monkeypatch):
    lengths: list[int] = []
    generate = foreign.engine.model.generate

    def watched(**inputs: object) -> object:
        sequences = generate(**inputs)
        lengths.append(sequences.shape[1] - inputs["input_ids"].shape[1])
        return sequences

    monkeypatch.setattr(foreign.engine.model, "generate", watched)
    streamed = foreign.stream([picture(0)], QUESTION, GenerationOptions(max_new_tokens=300))
    next(streamed)
    streamed.close()  # waits for the thread
    assert streamed.reply is None
    assert len(lengths) == 1 and lengths[0] < 300


def test_a_conversation_goes_on(native, foreign):
    talks = [each.chat([picture(0)], GREEDY) for each in (native, foreign)]
    for text, pictures in ((QUESTION, []), ("and here?", [picture(1)])):
        ours, theirs = (talk.send(text, pictures) for talk in talks)
        assert ours == theirs


def test_a_family_without_a_native_file_runs(idefics):
    answers = [idefics.ask([picture(n)], QUESTION, GREEDY) for n in (0, 0, 1)]
    assert answers[0] == answers[1] != answers[2]
    assert answers[0].num_answer_tokens == 12
    assert idefics.ask([picture(0), picture(1)], QUESTION, GREEDY).num_prompt_tokens > (
        answers[0].num_prompt_tokens + 4
    )
    clip = [picture(n, 32, 32) for n in range(3)]
    assert idefics.watch(clip, QUESTION, GREEDY).num_prompt_tokens > answers[0].num_prompt_tokens
    with pytest.raises(UsageError, match="idefics2 writes no boxes or points that are known here"):
        idefics.locate(picture(0), "star")


def test_what_is_shown_has_as_many_pixels_as_one_allows(foreign):
    from triptych.engines.wire import reduced

    large = foreign.engine.open(picture(0, 100, 200))
    assert (reduced(large, 5000).width, reduced(large, 5000).height) == (100, 50)
    assert reduced(large, 20_000) is large


@pytest.mark.parametrize("token", ["<image>", "</s>"])
def test_nobody_spells_a_special_token(foreign, token):
    with pytest.raises(TokenError, match=f"spells {token}, which the transformers engine cannot"):
        foreign.ask([picture(0)], f"what is {token}?", GREEDY)


def test_what_is_too_long_is_refused(idefics):
    with pytest.raises(TokenError, match=r"tokens long and this model takes 256; begin anew"):
        idefics.ask([], "long " * 300, GREEDY)


def test_what_it_cannot_give_names_the_engine_that_can(foreign):
    with pytest.raises(UsageError, match=r"transformers engine gives no hidden states, .* native"):
        foreign.model  # noqa: B018


def test_a_processor_that_needs_torchvision_says_so(tmp_path):
    pytest.importorskip("transformers")
    if "torchvision" in sys.modules:
        pytest.skip("torchvision is installed here")
    export_model(tmp_path / "qwen", small())
    with pytest.raises(EngineError, match="needs torchvision; install the one that fits"):
        triptych.load(tmp_path / "qwen", engine="transformers")


def test_a_model_that_brings_code_of_its_own_is_refused(tmp_path):
    codes = '"auto_map": {"AutoConfig": "own.Config", "AutoProcessor": "own.Processor"}'
    (tmp_path / "config.json").write_text(f'{{"model_type": "own", {codes}}}')
    (tmp_path / "processor_config.json").write_text(f"{{{codes}}}")
    (tmp_path / "own.py").write_text("raise SystemExit('never run')")
    with pytest.raises(EngineError, match="code of its own, which is never run here"):
        triptych.load(tmp_path, engine="transformers")


def test_a_model_that_does_not_exist_is_told(monkeypatch):
    with pytest.raises(EngineError, match="transformers cannot load /no/such/model"):
        triptych.load("/no/such/model", engine="transformers")


def test_a_missing_library_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'triptych\[transformers\]'"):
        triptych.load("x", engine="transformers")


def test_what_the_library_raises_while_it_generates_is_told(foreign, monkeypatch):
    def fail(**inputs: object) -> None:
        raise RuntimeError("out of memory\nand more")

    monkeypatch.setattr(foreign.engine.model, "generate", fail)
    for options in (GREEDY, BEAMS, DRAFTED):
        with pytest.raises(EngineError, match=r"transformers fails on .* \(out of memory\)$"):
            foreign.ask([picture(0)], QUESTION, options)
