"""Where an answer ends, and the positions at which it goes on."""

from dataclasses import replace

import pytest
import torch
from tests.laws.debug_models import QUESTIONS, picture, subject

from triptych.generate import GenerationOptions, generate, stream
from triptych.generate.state import DecodingState, repeat_rows
from triptych.generate.stopping import StopGate, cut_at_stop
from triptych.processor import ask_about


@pytest.mark.parametrize(
    ("stops", "expected"),
    [
        ((), None),
        (("xyz",), None),
        ((" square",), "a red"),
        (("square", "red"), "a "),
        (("a",), ""),
    ],
)
def test_an_answer_is_cut_before_the_first_stop_text(stops, expected):
    assert cut_at_stop("a red square", stops) == expected


@pytest.mark.parametrize("stops", [(), ("square",), ("red", "red sq"), ("squares",), ("z",)])
@pytest.mark.parametrize("size", [1, 2, 5, 20])
def test_a_gate_shows_what_stands_before_a_stop_text_whatever_the_pieces(stops, size):
    text = "a red square"
    gate, shown = StopGate(stops), ""
    for start in range(0, len(text), size):
        shown += gate.push(text[start : start + size])
        assert not any(stop in shown for stop in stops)
    shown += gate.flush()
    cut = cut_at_stop(text, stops)
    assert shown == gate.text == (text if cut is None else cut)
    assert gate.is_shut == (cut is not None)


def test_a_gate_holds_back_no_more_than_could_begin_a_stop_text():
    gate = StopGate(("abc",))
    assert [gate.push(each) for each in ("xy", "za", "q")] == ["", "xy", "z"]
    assert gate.flush() == "aq"


def only(token: int, debug):
    """The model with a head that always says one token."""
    model = debug.architecture.build(seed=0).eval()
    with torch.no_grad():
        model.language.lm_head.weight.zero_()
        model.language.lm_head.weight[token] = 1.0
        model.language.norm.weight.fill_(1.0)
        model.language.embedding.weight.fill_(1.0)
        for block in model.language.blocks:
            for parameter in block.parameters():
                parameter.zero_()
    return model


def test_an_answer_that_never_ends_stops_at_the_limit():
    debug = subject("llava_1_5_debug")
    [letter] = debug.processor.tokenizer.encode("z")
    options = GenerationOptions(max_new_tokens=4)
    prompt = debug.prompt(QUESTIONS[2])
    [answer] = generate(only(letter, debug), debug.processor, [prompt], options)
    assert (answer.text, answer.ended, len(answer.token_ids)) == ("zzzz", False, 4)
    assert answer.num_prompt_tokens == len(prompt.token_ids)


@pytest.mark.parametrize("num_beams", [1, 2])
def test_an_end_token_ends_the_answer_and_is_no_text(num_beams):
    debug = subject("llava_1_5_debug")
    model = only(debug.processor.end_ids[0], debug)
    options = GenerationOptions(max_new_tokens=4, num_beams=num_beams)
    prompt = debug.prompt(QUESTIONS[2])
    [answer] = generate(model, debug.processor, [prompt], options)
    assert (answer.text, answer.ended) == ("", True)
    assert answer.token_ids == debug.processor.end_ids[:1]
    assert answer.log_probability == pytest.approx(0, abs=1e-3)
    assert "".join(stream(model, debug.processor, prompt, options)) == ""


def test_a_stop_text_over_several_tokens_never_shows_while_streaming():
    debug = subject("llava_1_5_debug")
    [letter] = debug.processor.tokenizer.encode("z")
    model, prompt = only(letter, debug), debug.prompt(QUESTIONS[2])
    options = GenerationOptions(max_new_tokens=9, stop=("zzz",))
    pieces = list(stream(model, debug.processor, prompt, options))
    assert "".join(pieces) == ""
    kept_back = replace(options, max_new_tokens=2)
    assert "".join(stream(model, debug.processor, prompt, kept_back)) == "zz"


def test_positions_go_on_behind_the_largest_one_of_a_picture():
    debug = subject("qwen2_vl_debug")
    prompt = debug.prompt(ask_about([picture(0, 32, 96)], "hi"))
    text = debug.prompt(ask_about([], "hi"))
    inputs = debug.processor.collate([prompt, text], pad="left")
    with torch.inference_mode():
        state, logits = DecodingState.start(debug.model, inputs, 4)
        expected = [int(each.position_ids.max()) + 1 for each in (prompt, text)]
        assert state.next_positions.tolist() == expected
        assert expected[0] < len(prompt.token_ids), "a picture takes fewer positions than tokens"
        state.step(logits.argmax(dim=-1))
    assert state.next_positions.tolist() == [each + 1 for each in expected]


def test_rows_are_repeated_in_runs():
    assert repeat_rows(2, 3).tolist() == [0, 0, 0, 1, 1, 1]
