"""A saved model by its folder, and what one can ask of it."""

import json

import pytest
from tests.laws.debug_models import picture, subject

import triptych
from triptych.checkpoint.model_folder import save_model
from triptych.errors import UnknownNameError, UsageError
from triptych.generate import GenerationOptions
from triptych.processor import ask_about
from triptych.tasks import Assistant, find_model, finding, load

QUESTION = ask_about([picture(0)], "what is it?")
SHORT = GenerationOptions(max_new_tokens=5)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of a run that has finished."""
    folder = tmp_path_factory.mktemp("run")
    debug = subject("llava_1_5_debug")
    save_model(folder / "model", debug.architecture, debug.model, debug.processor.tokenizer)
    return folder


@pytest.fixture(scope="module")
def assistant(run) -> Assistant:
    return triptych.load(run)


def test_a_model_is_found_by_its_run_and_by_its_own_folder(run):
    assert find_model(run) == find_model(run / "model") == run / "model"
    assert load(str(run)).architecture.name == "llava_1_5_debug"


def test_a_folder_without_a_model_is_refused_with_a_hint(tmp_path):
    with pytest.raises(UsageError, match=r"holds no trained model .* has its training finished"):
        find_model(tmp_path)


def test_an_unknown_name_lists_the_runs_there_are(tmp_path, monkeypatch, run):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(finding, "embedded_models", dict)
    with pytest.raises(UnknownNameError, match="none trained yet: try `triptych train`"):
        find_model("flickr")
    (tmp_path / "runs" / "flickr8k" / "model").mkdir(parents=True)
    with pytest.raises(UnknownNameError, match="did you mean runs/flickr8k"):
        find_model("runs/flickr8")


def test_a_model_that_a_crash_moved_aside_is_found_again(tmp_path, run):
    debug = subject("llava_debug")
    save_model(
        tmp_path / "model.replaced", debug.architecture, debug.model, debug.processor.tokenizer
    )
    assert load(tmp_path).architecture.name == "llava_debug"


def test_captions_come_in_the_order_of_the_pictures_whatever_the_batch(assistant):
    pictures = [picture(n, 30 + 10 * n, 60) for n in range(5)]
    alone = [assistant.caption([each], SHORT)[0] for each in pictures]
    for batch_size in (1, 2, 5):
        together = assistant.caption(pictures, SHORT, batch_size=batch_size)
        assert [each.text for each in together] == [each.text for each in alone]
    assert len({each.text for each in alone}) > 1
    assert assistant.caption([], SHORT) == []


def test_an_answer_says_what_it_cost(assistant):
    answer = assistant.ask([picture(0)], "what is it?", SHORT)
    prompt = subject("llava_1_5_debug").prompt(QUESTION)
    assert answer.num_prompt_tokens == len(prompt.token_ids)
    assert 1 <= answer.num_answer_tokens <= 5
    assert answer.ended or answer.num_answer_tokens == 5
    assert answer.log_probability < 0
    assert json.loads(json.dumps(answer.as_dict())) == {
        "text": answer.text,
        "ended": answer.ended,
        "log_probability": answer.log_probability,
        "prompt_tokens": answer.num_prompt_tokens,
        "answer_tokens": answer.num_answer_tokens,
    }


def test_a_streamed_answer_is_the_answer(assistant):
    pieces = assistant.stream([picture(0)], "what is it?", SHORT)
    whole = assistant.ask([picture(0)], "what is it?", SHORT)
    assert "".join(pieces).strip() == whole.text


def test_a_question_may_be_about_several_pictures_or_none(assistant):
    costs = [
        assistant.ask([picture(n) for n in range(count)], "what is it?", SHORT).num_prompt_tokens
        for count in range(3)
    ]
    assert costs[2] - costs[1] >= 16 and costs[1] - costs[0] >= 16


def test_several_questions_are_answered_as_one_by_one(assistant):
    questions = ["what is it?", "is it red?", "how many?"]
    together = assistant.ask_each([picture(0)], questions, SHORT)
    alone = [assistant.ask([picture(0)], question, SHORT) for question in questions]
    assert [each.text for each in together] == [each.text for each in alone]
    assert assistant.ask_each([picture(0)], []) == []


@pytest.mark.parametrize("question", ["", "  \n"])
def test_an_empty_question_is_refused(assistant, question):
    for ask in (assistant.ask, assistant.stream):
        with pytest.raises(UsageError, match="the question is empty; write what you want"):
            ask([picture(0)], question)
