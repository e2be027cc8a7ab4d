"""Structured output: whatever ends has the form, on every vocabulary."""

import json
import re
from functools import cache
from random import Random

import numpy as np
import pytest
import tokenizers
import torch
from jsonschema import Draft202012Validator
from tests.generate.drawn_schemas import draw_schema
from tests.laws.debug_models import picture
from tests.toys import shared_data
from tokenizers import decoders, models, pre_tokenizers

from triptych.checkpoint.layouts import open_model
from triptych.checkpoint.model_folder import LoadedModel
from triptych.errors import FailureError, TokenError, UsageError
from triptych.generate import Completion, GenerationOptions, generate
from triptych.generate.matching import Matcher, check_structure, compile_structure
from triptych.generate.structure import Choice, JsonSchema, Regex, Structure
from triptych.processor import ask_about
from triptych.tasks import embedded_models
from triptych.text import Tokenizer
from triptych.text.token_bytes import token_bytes

MINI = Tokenizer.from_file(embedded_models()["mini"] / "tokenizer.json")
ENDS = tuple(map(MINI.special, ("<|im_end|>", "<|endoftext|>")))
TABLE = 3_072
"""Rows of a padded table; mini has 3,000 tokens."""

RECEIPT = {
    "type": "object",
    "properties": {
        "store": {"type": "string", "maxLength": 20},
        "total": {"type": "number", "minimum": 0},
        "items": {"type": "array", "items": {"enum": ["tea", "bread"]}, "maxItems": 3},
    },
    "required": ["store", "total", "items"],
    "additionalProperties": False,
}


def begin(structure: Structure) -> Matcher:
    return compile_structure(structure, MINI, ENDS, TABLE)


def metaspace(*, drops_space: bool) -> Tokenizer:
    """SentencePiece's way: bytes for rare characters, spaces as `▁`; Llama drops the first."""
    texts = [
        "▁",
        "▁a",
        "▁{",
        "{",
        "}",
        '"',
        '":',
        ":",
        ",",
        "a",
        "b",
        "0",
        "1",
        "▁1",
        "true",
        "▁cat",
    ]
    spelled = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), *texts]
    vocab = {token: id for id, token in enumerate(spelled)}
    inner = tokenizers.Tokenizer(models.BPE(vocab, [], unk_token="<unk>", byte_fallback=True))
    inner.pre_tokenizer = pre_tokenizers.Metaspace("▁", prepend_scheme="first")
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    inner.decoder = decoders.Sequence([*steps, *[decoders.Strip(" ", 1, 0)] * drops_space])
    tokenizer = Tokenizer(inner)
    tokenizer.add_special(["<unk>", "<s>", "</s>"])
    return tokenizer


LLAMA, GEMMA = metaspace(drops_space=True), metaspace(drops_space=False)


class Walk:
    """Tokens drawn among the allowed ones; after a while those that bring an answer to its end."""

    def __init__(
        self, matcher: Matcher, seed: int, tokenizer: Tokenizer = MINI, ends: tuple[int, ...] = ENDS
    ) -> None:
        self.ended = False
        self.token_ids: list[int] = []
        random, closing = Random(seed), _closing(tokenizer)
        for index in range(150):
            mask = matcher.allowed().numpy()
            allowed = np.flatnonzero(mask)
            if index >= 20 and mask[ends[0]]:
                allowed = np.array(ends)
            elif index >= 20 and mask[closing].any():
                allowed = closing[mask[closing]]
            token = int(random.choice(allowed))
            matcher.accept(token)
            if token in ends:
                self.ended = True
                break
            self.token_ids.append(token)
        self.text = tokenizer.decode(self.token_ids)


_CLOSING = (b'"', b"}", b"]", b'"}', b",")


@cache
def _closing(tokenizer: Tokenizer) -> np.ndarray:
    written = token_bytes(tokenizer)
    return np.array([id for id, each in enumerate(written) if each in _CLOSING])


# -- JSON -----------------------------------------------------------------------------------


@pytest.mark.parametrize("block", range(6))
def test_whatever_ends_is_json_of_its_schema(block):
    num_ended = 0
    for number in range(60 * block, 60 * block + 60):
        schema = draw_schema(Random(number))
        validator = Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
        matcher = begin(JsonSchema(schema))
        for seed in range(2):
            walk = Walk(matcher.copy(), seed)
            if walk.ended:
                num_ended += 1
                validator.validate(json.loads(walk.text))
    assert num_ended > 100, "nearly all of 120 walks end"


@pytest.mark.parametrize("seed", range(5))
def test_json_stands_on_one_line_with_its_fields_in_order(seed):
    walk = Walk(begin(JsonSchema(RECEIPT)), seed)
    assert list(json.loads(walk.text)) == ["store", "total", "items"]
    between = re.sub(r'"(\\.|[^"\\])*"', '""', walk.text)
    assert re.fullmatch(r"(?:[^\s,:]|[,:] ?(?=[^\s,:]))+", between)


def test_any_json_may_be_asked_for():
    for seed in range(20):
        walk = Walk(begin(JsonSchema(True)), seed)
        if walk.ended:
            json.loads(walk.text)


@pytest.mark.parametrize(
    ("schema", "named"),
    [
        ({"not": {}}, "the keyword 'not' at # of the schema is not supported"),
        (
            {"properties": {"a": {"items": {"uniqueItems": True}}}},
            "'uniqueItems' at #/properties/a/items of",
        ),
        ({"anyOf": [{}, {"minimun": 1}]}, "'minimun' at #/anyOf/1 .* did you mean minimum"),
        ({"$defs": {"a/b": {"format": "iri"}}}, "'iri' at #/\\$defs/a/b/format .* date-time, "),
        ({"items": [{}]}, r"#/items of the schema must be a schema.*, got \[{}\]"),
        ({"anyOf": {"a": {}}}, "#/anyOf of the schema must be a list of schemas"),
        ({"pattern": "("}, "'\\(' is not one .*unterminated"),
        ({"x-guidance": {"lenient": True}}, "'x-guidance' at # .* no keyword"),
        (False, "no JSON fits the schema false"),
    ],
)
def test_what_a_schema_may_not_say_is_named_with_its_place(schema, named):
    with pytest.raises(UsageError, match=named):
        JsonSchema(schema)


@pytest.mark.parametrize(
    ("schema", "named"),
    [
        ({"type": "nope"}, "at #: Invalid type: nope"),
        (
            {"type": "object", "properties": {"a": {"enum": []}}, "required": ["a"]},
            "at #/properties/a: ",
        ),
        ({"items": {"pattern": "(?=a)"}}, "at #/items: look-around"),
        ({"items": {"oneOf": [{"type": "number"}, {"type": "integer"}]}}, "at #/items: .* anyOf"),
        (
            {
                "$defs": {"a": {"type": "null"}},
                "prefixItems": [{"$ref": "#/$defs/a"}, {"items": {"pattern": "(?=a)"}}],
            },
            "at #/prefixItems/1/items: ",
        ),
        ({"$ref": "#/$defs/a"}, "at #: Pointer '/\\$defs/a' does not exist"),
        (
            {"$defs": {"a": {"type": "integer", "minimum": 3, "maximum": 2}}, "$ref": "#/$defs/a"},
            r"at #/\$defs/a: .*minimum \(3\) is greater",
        ),
    ],
)
def test_what_the_library_cannot_obey_is_named_with_its_place(schema, named):
    for check in (check_structure, begin):
        with pytest.raises(UsageError, match=f"the schema cannot be obeyed {named}"):
            check(JsonSchema(schema))


# -- regular expressions and choices -----------------------------------------------------------

PATTERNS = (
    r"\d{4}-\d{2}-\d{2}",
    r"(red|green|blau|größe)( and (red|blue))?",
    r"[^\W\d]{3}",
    r"\S{1,4}\s\w[\w/]\/?x/",
    r"a{,3}b*?c",
    r"(?i:straße)",
    "line\n[\n/]x",
    r"^ab|cd\Z",
    r".{2,5}",
    r"[+*]\+",
    " ?a+",
    " a|b",
    "😀|é{2}|\\u00fc",
)


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize(
    ("tokenizer", "end"), [(MINI, ENDS[0]), (LLAMA, 2), (GEMMA, 2)], ids=("mini", "llama", "gemma")
)
def test_whatever_ends_matches_its_expression(pattern, tokenizer, end):
    matcher = compile_structure(Regex(pattern), tokenizer, (end,), tokenizer.vocab_size)
    walks = [Walk(matcher.copy(), seed, tokenizer, (end,)) for seed in range(6)]
    assert any(walk.ended for walk in walks)
    for walk in walks:
        assert not walk.ended or re.fullmatch(pattern, walk.text), walk.text


@pytest.mark.parametrize(
    ("pattern", "text", "fits"),
    [
        (r"\w", "\u0301", False),  # a combining accent, which elsewhere is of a word
        (r"\W", "\u0301", True),
        (r"\w", "é", True),
        (r"\S", "\x1c", False),  # a separator, which elsewhere is no space
        (r"\s", "\x1c", True),
    ],
)
def test_classes_of_characters_are_those_of_python(pattern, text, fits):
    assert bool(re.fullmatch(pattern, text)) == fits == may_say(Regex(pattern), text)
    quoted = json.dumps(text, ensure_ascii=text < " ")
    schema = JsonSchema({"type": "string", "pattern": f"^{pattern}$"})
    assert may_say(schema, quoted) == fits


def may_say(structure: Structure, text: str) -> bool:
    """Whether this is a whole answer of the form."""
    matcher = begin(structure)
    try:
        for token in MINI.encode(text):
            matcher.accept(token)
    except FailureError:
        return False
    return matcher.is_complete


@pytest.mark.parametrize(
    ("pattern", "named"),
    [
        ("(", "is not one"),
        ("a*+b", r"possessive '\*\+'"),
        ("[[:alpha:]]", "is not one .*nested set"),
        ("(?=a)b", "look-around"),
        (r"(a)\1", "backreferences"),
        ("a^b", "Start in regex"),
        (r"[^\x00-\U0010ffff]", "nothing that the model can write"),
    ],
)
def test_expressions_that_cannot_be_followed_are_refused(pattern, named):
    with pytest.raises(UsageError, match=named):
        begin(Regex(pattern))


@pytest.mark.parametrize(
    ("tokenizer", "end"), [(MINI, ENDS[0]), (LLAMA, 2), (GEMMA, 2)], ids=("mini", "llama", "gemma")
)
def test_every_choice_and_nothing_else_may_be_said(tokenizer, end):
    texts = ("cat", "a cat", " dog", 'say "a"\n', "größe 😀", "c")
    matcher = compile_structure(Choice(texts), tokenizer, (end,), tokenizer.vocab_size)
    said = {Walk(matcher.copy(), seed, tokenizer, (end,)).text for seed in range(120)}
    assert said == set(texts)


@pytest.mark.parametrize("texts", [(), ("a", "")])
def test_a_choice_needs_texts(texts):
    with pytest.raises(UsageError, match="a choice needs texts"):
        Choice(texts)


# -- tokens -----------------------------------------------------------------------------------


def test_special_tokens_and_rows_without_a_token_are_never_allowed():
    matcher = begin(Regex(r"(?s:.)*"))
    specials = set(MINI.special_tokens.values())
    for _ in range(10):
        allowed = set(matcher.allowed().nonzero()[:, 0].tolist())
        assert allowed & specials == set(ENDS) and max(allowed) < MINI.vocab_size
        assert len(matcher.allowed()) == TABLE
        matcher.accept(MINI.encode("x")[0])


def test_an_answer_may_end_exactly_where_it_has_the_form():
    matcher = begin(Regex("ab?|xyz"))
    ends = list(ENDS)
    assert not matcher.is_complete and not matcher.allowed()[ends].any()
    matcher.accept(MINI.encode("a")[0])
    assert matcher.is_complete and matcher.allowed()[ends].all() and not matcher.is_finished
    matcher.accept(MINI.encode("b")[0])
    assert matcher.is_finished
    assert matcher.allowed().nonzero()[:, 0].tolist() == sorted(ends)
    matcher.accept(ENDS[0])
    assert matcher.is_complete and matcher.is_finished


def test_a_token_that_is_not_allowed_is_refused_and_leaves_no_trace():
    matcher, other = begin(JsonSchema(RECEIPT)), begin(JsonSchema(RECEIPT))
    for token in (ENDS[0], MINI.encode("x")[0], MINI.special("<|image_pad|>"), TABLE - 1):
        with pytest.raises(FailureError, match=f"token {token} does not fit"):
            matcher.accept(token)
    assert torch.equal(matcher.allowed(), other.allowed())


def test_logits_of_other_tokens_become_minus_infinity():
    matcher = begin(Choice(("yes", "no")))
    logits = torch.randn(TABLE, generator=torch.Generator().manual_seed(0))
    masked = logits.clone()
    matcher.mask_logits(masked)
    allowed = matcher.allowed()
    assert torch.equal(masked[allowed], logits[allowed])
    assert (masked[~allowed] == -torch.inf).all()


@pytest.mark.parametrize(
    "structure", [JsonSchema(RECEIPT), Regex(r"(\w+ )*\w+\."), Choice(("ab",))]
)
def test_what_is_taken_back_was_never_said(structure):
    random, matcher, said = Random(0), begin(structure), list[int]()
    for _ in range(60):
        allowed = matcher.allowed().nonzero()[:, 0].tolist()
        token = random.choice(allowed)
        matcher.accept(token)
        said.append(token)
        if token in ENDS or random.random() < 0.3:
            count = random.randint(1, len(said))
            matcher.rollback(count)
            del said[-count:]
        fresh = begin(structure)
        for each in said:
            fresh.accept(each)
        assert torch.equal(matcher.allowed(), fresh.allowed())
        assert matcher.is_complete == fresh.is_complete
        assert matcher.is_finished == fresh.is_finished


def test_more_than_was_said_cannot_be_taken_back():
    matcher = begin(Choice(("ab",)))
    with pytest.raises(FailureError, match="fewer than 1 tokens were accepted"):
        matcher.rollback(1)


def test_a_copy_goes_on_by_itself():
    first = begin(Regex("a[bc]"))
    first.accept(MINI.encode("a")[0])
    second = first.copy()
    second.accept(MINI.encode("b")[0])
    assert second.is_finished and not first.is_finished
    ended = begin(Regex("ab*"))
    ended.accept(MINI.encode("a")[0])
    ended.accept(ENDS[0])
    assert ended.copy().is_finished


# -- vocabularies -------------------------------------------------------------------------------


@pytest.mark.parametrize("tokenizer", [MINI, LLAMA, GEMMA], ids=("mini", "llama", "gemma"))
def test_tokens_write_the_bytes_that_they_decode_to(tokenizer):
    written = token_bytes(tokenizer)
    for text in ('a {"größe": [1, true]}', "😀 \t\n日本", "éí"):
        ids = tokenizer.encode(text, before="text")
        assert b"".join(written[id] for id in ids) == text.encode()
        first = tokenizer.encode("a")
        assert tokenizer.decode([*first, *ids]) == tokenizer.decode(first) + text
    assert all(written[id] == b"" for id in tokenizer.special_tokens.values())


def test_all_bytes_of_a_large_vocabulary_are_right():
    folder = shared_data("tokenizers", "gpt2")
    tokenizer = Tokenizer.from_gpt2_files(folder / "vocab.json", folder / "merges.txt")
    written = token_bytes(tokenizer)
    whole = [id for id, each in enumerate(written) if _is_text(each)]
    assert len(whole) > 49_000
    assert all(tokenizer.decode([id]).encode() == written[id] for id in whole[::70])
    end = tokenizer.special("<|endoftext|>")
    matcher = compile_structure(JsonSchema(RECEIPT), tokenizer, (end,), 50_304)
    for seed in range(3):
        walk = Walk(matcher.copy(), seed, tokenizer, (end,))
        assert walk.ended and list(json.loads(walk.text)) == list(RECEIPT["properties"])


def _is_text(written: bytes) -> bool:
    try:
        return bool(written.decode())
    except UnicodeDecodeError:
        return False


def test_a_vocabulary_of_whole_words_is_refused():
    inner = tokenizers.Tokenizer(
        models.WordPiece({"[UNK]": 0, "a": 1, "##b": 2}, unk_token="[UNK]")
    )
    inner.decoder = decoders.WordPiece()
    with pytest.raises(TokenError, match="its decoder is WordPiece"):
        compile_structure(Choice(("a",)), Tokenizer(inner), (1,), 3)


def test_a_choice_that_a_vocabulary_cannot_spell_is_refused():
    inner = tokenizers.Tokenizer(models.BPE({"▁": 0, "a": 1, "</s>": 2}, []))
    inner.decoder = decoders.Metaspace("▁")
    tokenizer = Tokenizer(inner)
    tokenizer.add_special(["</s>"])
    with pytest.raises(UsageError, match="nothing that the model can write has this form"):
        compile_structure(Choice(("b",)), tokenizer, (2,), 3)


# -- answers ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def mini() -> LoadedModel:
    return open_model(embedded_models()["mini"])


def answer(mini: LoadedModel, structure: Structure, **options: float) -> Completion:
    asked = ask_about([picture(0)], "what is it?")
    sample = mini.processor.encode(asked, add_generation_prompt=True)
    chosen = GenerationOptions(structure=structure, **options)
    return generate(mini.model, mini.processor, [sample], chosen)[0]


@pytest.mark.parametrize("temperature", [0.0, 1.5])
def test_a_model_answers_in_the_form_that_is_asked_for(mini, temperature):
    schema = {
        "type": "object",
        "properties": {"name": {"type": "string", "maxLength": 9}, "n": {"enum": [1, 20, 300]}},
        "required": ["name", "n"],
        "additionalProperties": False,
    }
    said = answer(mini, JsonSchema(schema), temperature=temperature)
    assert said.ended
    Draft202012Validator(schema).validate(json.loads(said.text))
    said = answer(mini, Regex(r"\w{3}-\d"), temperature=temperature)
    assert said.ended and re.fullmatch(r"\w{3}-\d", said.text)
    said = answer(mini, Choice(("é", "a cat")), temperature=temperature)
    assert said.ended and said.text in ("é", "a cat")
    drafted = answer(mini, Regex(r"(ab)*c{9}"), temperature=temperature, lookup=4)
    assert drafted.text == answer(mini, Regex(r"(ab)*c{9}"), temperature=temperature).text


def test_an_answer_that_meets_the_limit_has_the_beginning_of_its_form_and_has_not_ended(mini):
    said = answer(mini, JsonSchema(RECEIPT), max_new_tokens=5)
    assert not said.ended
    assert len(said.token_ids) == 5
    assert said.text.startswith('{"store":')
