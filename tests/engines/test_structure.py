"""The form of an answer on every engine."""

import json
import re
from pathlib import Path

import pytest
from tests.engines.checkpoints import export_llava
from tests.engines.scripted import DONE, chunk, completion, says, serving, streams
from tests.laws.debug_models import picture

import triptych
from triptych.engines.http import Server, ServerConfig
from triptych.engines.openai import OpenAIEngine
from triptych.errors import EngineError, UsageError
from triptych.generate import GenerationOptions
from triptych.generate.structure import Choice, JsonSchema, Regex, Structure
from triptych.processor import ask_about

HELLO = [{"role": "user", "content": "hello"}]
SCHEMA = {
    "type": "object",
    "properties": {"n": {"type": "integer", "minimum": 0, "maximum": 99}},
    "required": ["n"],
}
CLOSED = {**SCHEMA, "additionalProperties": False}
FORMS = (JsonSchema(CLOSED), Regex(r"\d{2}/\d{2}"), Choice(("a cat", "a dog", " spaced")))


@pytest.fixture(scope="module")
def llava(tmp_path_factory) -> Path:
    return export_llava(tmp_path_factory.mktemp("structure") / "llava")


def answered(scripted, structure: Structure, *, streamed: bool = False):
    engine = OpenAIEngine(Server(ServerConfig(url=scripted.url)), "m")
    options = GenerationOptions(structure=structure)
    if not streamed:
        return engine.answer([HELLO], options)[0]
    pieces = engine.stream(HELLO, options)
    list(pieces)
    return pieces.reply


@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize("structure", FORMS, ids=lambda form: type(form).__name__)
def test_transformers_says_what_the_native_engine_says(llava, structure, temperature):
    pytest.importorskip("transformers")
    options = GenerationOptions(
        max_new_tokens=40, temperature=temperature, seed=1, structure=structure
    )
    asked = ask_about([picture(0)], "which?")
    ours, theirs = (
        triptych.load(llava, engine=name).engine.answer([asked], options)[0]
        for name in ("native", "transformers")
    )
    assert theirs.text == ours.text
    assert ours.ended and theirs.ended
    assert structure.is_met_by(theirs.text)


def test_transformers_drafts_nothing_of_a_given_form(llava):
    pytest.importorskip("transformers")
    options = GenerationOptions(lookup=4, structure=FORMS[2])
    with pytest.raises(UsageError, match="transformers engine drafts no answers of a given form"):
        triptych.load(llava, engine="transformers").ask([picture(0)], "which?", options)


@pytest.mark.parametrize(
    ("structure", "text", "fields"),
    [
        (
            JsonSchema(SCHEMA),
            '{"n": 3}',
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "answer", "schema": SCHEMA, "strict": True},
                }
            },
        ),
        (JsonSchema(True), "[1]", {"response_format": {"type": "json_object"}}),
        (Regex("a+"), "aa", {"structured_outputs": {"regex": "a+"}}),
        (Choice(("b", "c")), "c", {"structured_outputs": {"choice": ["b", "c"]}}),
    ],
)
def test_a_server_is_asked_for_the_form(structure, text, fields):
    with serving(says(completion(text)), streams(chunk(text, "stop"), DONE)) as scripted:
        assert answered(scripted, structure).text == text
        assert answered(scripted, structure, streamed=True).text == text
        whole, streamed = (asked.body for asked in scripted.asked)
    for body in (whole, streamed):
        assert {key: body[key] for key in fields} == fields
    assert len({"response_format", "structured_outputs"} & set(whole)) == 1


@pytest.mark.parametrize("structure", FORMS, ids=lambda form: type(form).__name__)
def test_a_server_that_does_not_hold_to_the_form_is_found_out(structure):
    with serving(says(completion("Sure!")), streams(chunk("Sure!", "stop"), DONE)) as scripted:
        for streamed in (False, True):
            with pytest.raises(EngineError, match=r"does not hold to the form .* 'Sure!'"):
                answered(scripted, structure, streamed=streamed)


def test_a_form_that_the_length_limit_cut_off_has_not_ended():
    with serving(says(completion('{"n": ', "length"))) as scripted:
        reply = answered(scripted, FORMS[0])
    assert not reply.ended and reply.text == '{"n": '


@pytest.mark.parametrize(
    ("structure", "fit", "unfit"),
    [
        (FORMS[0], json.dumps({"n": 1}), "{n: 1}"),
        (FORMS[1], "12/34", "12/345"),
        (FORMS[2], "a cat", "cat"),
    ],
    ids=["json", "regex", "choice"],
)
def test_a_form_knows_which_texts_have_it(structure, fit, unfit):
    assert structure.is_met_by(fit) and not structure.is_met_by(unfit)
    assert not structure.is_met_by(fit + "\n") or re.match(r"\{", fit)
