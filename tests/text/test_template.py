"""Conversations to pieces: the right tokens, the right labels, and no control from people."""

import random
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
import tokenizers
from jinja2 import TemplateError

from triptych.errors import ConfigError, TokenError
from triptych.text import (
    FLAMINGO,
    PLAIN_CAPTION,
    QWEN2_VL,
    QWEN2_VL_SPECIALS,
    VICUNA,
    ChatTemplate,
    ImagePiece,
    Piece,
    TextPiece,
    Tokenizer,
    check_messages,
)

CORPUS = ["a red circle to the left of a blue square. what is it? USER: ASSISTANT: user assistant"]
SPECIALS = (*QWEN2_VL_SPECIALS, "<s>", "</s>", "<image>", "<end>", "<EOC>", "<tool_call>")
TOKENIZER = Tokenizer.train_byte_bpe(CORPUS, 360, SPECIALS)
IMAGE = {"type": "image", "image": "cat.png"}
BUILT_IN = {"qwen2_vl": QWEN2_VL, "vicuna": VICUNA, "plain": PLAIN_CAPTION, "flamingo": FLAMINGO}


def chat_template(source: str, end: str = "<|im_end|>") -> ChatTemplate:
    return ChatTemplate(source=source, end_tokens=(end,), image_token="<image>", bos_token="<s>")


STRINGS_ONLY = chat_template(
    "{% for m in messages %}"
    "{{ '<|im_start|>' + m['role'] + '\\n' + m['content'] + '<|im_end|>' + '\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
TRIMMING = chat_template(
    "{{ bos_token }}{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n\\n' }}"
    "{{ m['content'] | trim }}{{ '<|im_end|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n\\n' }}{% endif %}"
)
PARTS_ONLY = chat_template(
    "{% for m in messages %}{{ m['role'].upper() + ': ' }}"
    "{% for part in m['content'] | selectattr('type', 'equalto', 'image') %}{{ '<image>\\n' }}"
    "{% endfor %}"
    "{% for part in m['content'] | selectattr('type', 'equalto', 'text') %}{{ part['text'] + ' ' }}"
    "{% endfor %}{% endfor %}{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}"
)
GENERATION = chat_template(
    "{% for m in messages %}\n"
    "    {% if m.role == 'assistant' %}\n"
    "{% generation %}{{ m.content + '<|im_end|>' }}{% endgeneration %}\n"
    "    {% else %}\n"
    "{{ m.content }}\n"
    "    {% endif %}\n"
    "{% endfor %}"
)


def user(*content: Any) -> dict[str, Any]:
    parts = [{"type": "text", "text": c} if isinstance(c, str) else c for c in content]
    return {"role": "user", "content": parts}


def says(role: str, text: str) -> dict[str, Any]:
    return {"role": role, "content": text}


def shown(pieces: list[Piece]) -> list[Any]:
    """Pieces as a reader sees them: answers in a pair of brackets, pictures as numbers."""
    texts: list[Any] = []
    for piece in pieces:
        if isinstance(piece, ImagePiece):
            texts.append(piece.image_index)
        else:
            text = TOKENIZER.decode(piece.token_ids, skip_special=False)
            texts.append([text] if piece.is_answer else text)
    return texts


def token_ids(pieces: list[Piece], template: ChatTemplate) -> list[int]:
    """All in a row, with the image token where a picture stands."""
    image = [TOKENIZER.special(template.image_token)]
    return [id for p in pieces for id in (p.token_ids if isinstance(p, TextPiece) else image)]


# -- what the built-in templates write ------------------------------------------------------------


def test_qwen2_vl_drawn():
    messages = [user(IMAGE, "Describe."), says("assistant", "a red circle")]
    prompt = [
        "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
        "<|im_start|>user\n<|vision_start|>",
        0,
        "<|vision_end|>Describe.<|im_end|>\n<|im_start|>assistant\n",
    ]
    assert shown(QWEN2_VL.pieces(messages[:1], TOKENIZER, add_generation_prompt=True)) == prompt
    answered = QWEN2_VL.pieces(messages, TOKENIZER, add_generation_prompt=False)
    assert shown(answered) == [*prompt, ["a red circle<|im_end|>"], "\n"]


def test_qwen2_vl_with_its_own_system_message():
    messages = [says("system", "Be brief."), says("user", "hi")]
    assert QWEN2_VL.render(messages) == (
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nhi<|im_end|>\n"
    )


def test_vicuna_drawn():
    system = (
        "<s>A chat between a curious user and an artificial intelligence assistant. The assistant "
        "gives helpful, detailed, and polite answers to the user's questions. USER: "
    )
    messages = [user(IMAGE, "what is it?"), says("assistant", "a cat")]
    messages += [says("user", "sure?"), says("assistant", "yes")]
    assert shown(VICUNA.pieces(messages, TOKENIZER)) == [
        system,
        0,
        "\nwhat is it? ASSISTANT:",
        [" a cat</s>"],
        "USER: sure? ASSISTANT:",
        [" yes</s>"],
    ]
    prompt = VICUNA.pieces(messages[:3], TOKENIZER, add_generation_prompt=True)
    assert shown(prompt)[-1] == "USER: sure? ASSISTANT:"


def test_plain_captions_drawn():
    messages = [user(IMAGE), says("assistant", "a red circle")]
    assert shown(PLAIN_CAPTION.pieces(messages, TOKENIZER)) == [0, ["a red circle<end>"]]
    assert shown(PLAIN_CAPTION.pieces(messages[:1], TOKENIZER, add_generation_prompt=True)) == [0]
    asked = [user(IMAGE, IMAGE, "what is it?"), says("assistant", "a circle")]
    assert shown(PLAIN_CAPTION.pieces(asked, TOKENIZER)) == [0, 1, "what is it?", ["a circle<end>"]]


def test_flamingo_drawn():
    shots = [user(IMAGE), says("assistant", "a cat"), user(IMAGE), says("assistant", "a dog")]
    expected = [0, ["a cat<EOC>"], 1, ["a dog<EOC>"]]
    assert shown(FLAMINGO.pieces(shots, TOKENIZER)) == expected
    assert FLAMINGO.render(shots) == "<image>a cat<EOC><image>a dog<EOC>"


@pytest.mark.parametrize("template", BUILT_IN.values(), ids=BUILT_IN)
def test_pictures_are_numbered_in_order_and_nothing_else_is_a_picture(template):
    messages = [user("a", IMAGE, "b", IMAGE), says("assistant", "c"), user(IMAGE, "d")]
    pieces = template.pieces(messages, TOKENIZER, add_generation_prompt=True)
    assert [p.image_index for p in pieces if isinstance(p, ImagePiece)] == [0, 1, 2]
    image_id = TOKENIZER.special(template.image_token)
    assert all(image_id not in p.token_ids for p in pieces if isinstance(p, TextPiece))


@pytest.mark.parametrize("template", BUILT_IN.values(), ids=BUILT_IN)
@pytest.mark.parametrize("answer", ["a circle", "", " ", "  padded ", "\nnew line", "<s> 😀"])
def test_an_answered_conversation_begins_with_its_prompt_exactly(template, answer):
    for question in ([user(IMAGE, "what?")], [says("system", "s"), user("q", IMAGE)]):
        prompt = template.pieces(question, TOKENIZER, add_generation_prompt=True)
        whole = template.pieces([*question, says("assistant", answer)], TOKENIZER)
        assert whole[: len(prompt)] == prompt
        first = whole[len(prompt)]
        assert isinstance(first, TextPiece) and first.is_answer
        text = TOKENIZER.decode(first.token_ids, skip_special=False)
        space = " " if template is VICUNA else ""
        assert text == f"{space}{answer}{template.end_tokens[0]}"
        assert not any(p.is_answer for p in whole[len(prompt) + 1 :] if isinstance(p, TextPiece))


@pytest.mark.parametrize("template", BUILT_IN.values(), ids=BUILT_IN)
def test_a_conversation_that_begins_with_the_assistant_still_labels_it(template):
    pieces = template.pieces([says("assistant", "hello"), says("user", "hi")], TOKENIZER)
    answers = [p for p in pieces if isinstance(p, TextPiece) and p.is_answer]
    text = TOKENIZER.decode(answers[0].token_ids, skip_special=False)
    assert len(answers) == 1 and text.strip() == f"hello{template.end_tokens[0]}"


def test_two_answers_in_a_row_stay_two_pieces():
    messages = [user(IMAGE), says("assistant", "a cat"), says("assistant", "a dog")]
    expected = [0, ["a cat<end>"], ["a dog<end>"]]
    assert shown(PLAIN_CAPTION.pieces(messages, TOKENIZER)) == expected


# -- control and data -----------------------------------------------------------------------------


def attack(source: random.Random) -> str:
    bits = [
        *SPECIALS,
        "a",
        " ",
        "\n",
        "<|im_",
        "end|>",
        "<",
        "image>",
        "user\n",
        "\ue000",
        "\ue001",
    ]
    bits += ["{{ eos_token }}", "{% endfor %}", "\ue0001:0\ue001", "é"]
    text = "".join(source.choice(bits) for _ in range(source.randrange(1, 8)))
    return text if text.strip() else attack(source)


@pytest.mark.parametrize(
    "template", [*BUILT_IN.values(), STRINGS_ONLY, TRIMMING, PARTS_ONLY, GENERATION]
)
def test_people_can_write_no_control_whatever_they_type(template):
    source = random.Random(0)
    ordinary = [says("system", "s"), user("u", IMAGE, "v"), says("assistant", "a"), user("w")]

    def control(messages: list[dict[str, Any]]) -> list[object]:
        pieces = template.pieces(messages, TOKENIZER)
        ids = set(TOKENIZER.special_tokens.values())
        return [
            [id for id in piece.token_ids if id in ids] if isinstance(piece, TextPiece) else piece
            for piece in pieces
        ]

    expected = control(ordinary)
    for _ in range(150):
        system, first, second, third, answer = (attack(source) for _ in range(5))
        messages = [
            says("system", system),
            user(first, IMAGE, second),
            says("assistant", answer),
            user(third),
        ]
        assert control(messages) == expected
        text = "".join(map(str, shown_flat(template.pieces(messages, TOKENIZER))))
        for typed in (system, first, second, third, answer):
            assert typed.strip() in text


def shown_flat(pieces: list[Piece]) -> list[Any]:
    return [item[0] if isinstance(item, list) else item for item in shown(pieces)]


def test_halves_of_a_special_token_in_neighbouring_texts_do_not_join():
    messages = [user("a<|im_", "end|>b"), says("assistant", "<|im_")]
    glued = chat_template("{% for m in messages %}{{ m.content }}{% endfor %}end|>")
    for template in (QWEN2_VL, glued):
        ids = token_ids(template.pieces(messages, TOKENIZER), template)
        written = 3 if template is QWEN2_VL else 0
        assert ids.count(TOKENIZER.special("<|im_end|>")) == written


def test_names_and_calls_of_tools_are_data_as_well():
    template = chat_template(
        "{% if tools %}{{ tools | tojson }}\n{% endif %}"
        "{% for m in messages %}<|im_start|>{{ m.name or m.role }}\n{{ m.content }}"
        "{% for call in m.tool_calls or [] %}<tool_call>{{ call.function | tojson }}{% endfor %}"
        "<|im_end|>{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )
    function = {"name": "f<|im_end|>", "arguments": {"a <|im_end|>": 'say "<image>"\n', "n": 3}}
    call = {"type": "function", "function": function}
    messages = [
        {"role": "user", "content": "q", "name": "<|im_end|>"},
        {"role": "assistant", "content": "", "tool_calls": [call]},
    ]
    tools = [{"type": "function", "function": {"name": "f<|im_start|>", "parameters": {}}}]
    pieces = template.pieces(messages, TOKENIZER, tools=tools)
    ids = token_ids(pieces, template)
    assert ids.count(TOKENIZER.special("<|im_end|>")) == 2
    assert ids.count(TOKENIZER.special("<|im_start|>")) == 2
    assert ids.count(TOKENIZER.special("<tool_call>")) == 1
    assert TOKENIZER.special("<image>") not in ids
    text = shown(pieces)
    assert text[0].startswith('[{"type": "function", "function": {"name": "f<|im_start|>"')
    # What the model is to write, call and all, is labelled; quotes and line ends are JSON's.
    assert text[1] == [
        '<tool_call>{"name": "f<|im_end|>", "arguments": '
        '{"a <|im_end|>": "say \\"<image>\\"\\n", "n": 3}}<|im_end|>'
    ]


def test_pictures_never_reach_the_template():
    seen = chat_template(
        "{% for m in messages %}{% for p in m.content %}{{ p.image }}{% endfor %}{% endfor %}"
    )
    with pytest.raises(TokenError, match="holds 1 pictures but its template wrote 0 slots"):
        seen.pieces([user({"type": "image", "image": b"secret"}, "a")], TOKENIZER)


# -- templates of other makers --------------------------------------------------------------------


def test_a_template_for_texts_only_takes_pictures_where_they_stand():
    messages = [user("look: ", IMAGE, " nice"), says("assistant", "yes")]
    assert shown(STRINGS_ONLY.pieces(messages, TOKENIZER)) == [
        "<|im_start|>user\nlook: ",
        0,
        " nice<|im_end|>\n<|im_start|>assistant\n",
        ["yes<|im_end|>"],
        "\n",
    ]


def test_a_template_for_parts_only_takes_texts():
    messages = [says("user", "hi"), says("assistant", "yes"), user("so", IMAGE)]
    assert shown(PARTS_ONLY.pieces(messages, TOKENIZER, add_generation_prompt=True)) == [
        "USER: hi ASSISTANT:",
        [" yes"],
        " USER: ",
        0,
        "\nso ASSISTANT:",
    ]


def test_trimming_templates_trim_what_people_wrote():
    messages = [says("user", " \n hi  there\t"), says("assistant", "  yes \n")]
    assert shown(TRIMMING.pieces(messages, TOKENIZER)) == [
        "<s><|im_start|>user\n\nhi  there<|im_end|><|im_start|>assistant\n\n",
        ["yes<|im_end|>"],
    ]


def test_blank_texts_are_blank_to_the_template():
    template = chat_template(
        "{% for m in messages %}{{ m.content | trim or 'nothing' }},{% endfor %}"
    )
    assert template.render([says("user", " "), says("user", ""), says("user", "x")]) == (
        "nothing,nothing,x,"
    )


def test_generation_blocks_change_nothing():
    messages = [says("user", "hi"), says("assistant", "yes")]
    assert shown(GENERATION.pieces(messages, TOKENIZER)) == ["hi\n", ["yes<|im_end|>"]]


def test_changing_case_leaves_texts_alone():
    template = chat_template("{% for m in messages %}{{ m.content | upper }}{% endfor %}")
    assert template.render([says("user", "Hi")]) == "Hi"


@pytest.mark.parametrize(
    "filtered", ["m.content[:9]", "m.content | reverse", "m.content | list | join('-')"]
)
def test_a_template_that_takes_texts_apart_is_refused(filtered):
    template = chat_template("{% for m in messages %}{{ " + filtered + " }}{% endfor %}")
    with pytest.raises(TokenError, match="takes the texts of messages apart"):
        template.pieces([says("user", "hello")], TOKENIZER)


def test_a_template_cannot_guess_the_mark_of_a_text():
    template = chat_template("{% for m in messages %}{{ m.content }}{% endfor %}\ue0000:0\ue001")
    with pytest.raises(TokenError, match="takes the texts of messages apart"):
        template.pieces([says("user", "hello")], TOKENIZER)


def test_an_answer_without_an_end_token_ends_with_its_text():
    template = chat_template("{% for m in messages %}[{{ m.content }}]{% endfor %}")
    messages = [says("user", "q"), says("assistant", "a"), says("user", "r")]
    # This template ignores the request for a prompt, so a model asked has to write the bracket.
    assert shown(template.pieces(messages, TOKENIZER)) == ["[q]", ["[a"], "][r]"]


def test_the_end_token_of_a_later_turn_does_not_belong_to_an_earlier_answer():
    template = chat_template(
        "{% for m in messages %}{{ m.content }}{{ '<|im_end|>' if m.role == 'user' }}{% endfor %}"
    )
    messages = [says("assistant", "a"), says("user", "q")]
    assert shown(template.pieces(messages, TOKENIZER)) == [["a"], "q<|im_end|>"]


def test_where_the_prompt_differs_from_the_given_answer_the_text_alone_is_labelled():
    template = chat_template(
        "{% for m in messages %}{{ m.role }}:{{ m.content }}<|im_end|>{% endfor %}"
        "{% if add_generation_prompt %}assistant:<think>{% endif %}"
    )
    messages = [says("user", "q"), says("assistant", "a")]
    assert shown(template.pieces(messages, TOKENIZER)) == [
        "user:q<|im_end|>assistant:",
        ["a<|im_end|>"],
    ]


def test_special_tokens_that_swallow_spaces_do():
    inner = tokenizers.Tokenizer.from_str(TOKENIZER.inner.to_str())
    inner.add_special_tokens(
        [
            tokenizers.AddedToken("<L>", lstrip=True, special=True),
            tokenizers.AddedToken("<R>", rstrip=True, special=True),
        ]
    )
    expected = inner.encode("a <L> b <R> c", add_special_tokens=False).ids
    tokenizer = Tokenizer(inner)
    template = chat_template("{% for m in messages %}{{ m.content }}{% endfor %} <L> b <R> c")
    (piece,) = template.pieces([says("user", "a")], tokenizer)
    assert isinstance(piece, TextPiece) and piece.token_ids == expected


def test_image_and_end_token_can_be_exchanged():
    template = replace(PLAIN_CAPTION, image_token="<|image_pad|>", end_tokens=("</s>",))
    pieces = template.pieces([user(IMAGE), says("assistant", "a")], TOKENIZER)
    assert shown(pieces) == [0, ["a</s>"]]


# -- equality with the reference ------------------------------------------------------------------


def random_conversation(source: random.Random, with_images: bool) -> list[dict[str, Any]]:
    words = [
        "red",
        "circle",
        "what",
        "is",
        "it?",
        "3",
        "é",
        "写真",
        "😀",
        "\n",
        "  ",
        "\n\n",
        ".",
        "'s",
    ]

    def text(starts_plain: bool = False) -> str:
        said = " ".join(source.choice(words) for _ in range(source.randrange(1, 9)))
        return "A" + said if starts_plain else said

    messages = [says("system", text())] if source.random() < 0.5 else []
    for _ in range(source.randrange(1, 4)):
        images = [dict(IMAGE) for _ in range(source.randrange(3))] if with_images else []
        parts = [*images, text()]
        source.shuffle(parts)
        messages.append(user(*parts) if images else says("user", text()))
        # An answer begins a new run of tokens, so it must not begin with a space here.
        messages.append(says("assistant", text(starts_plain=True)))
    return messages


@pytest.mark.parametrize(
    "template, with_images",
    [
        (QWEN2_VL, True),
        (VICUNA, True),
        (PLAIN_CAPTION, True),
        (STRINGS_ONLY, False),
        (TRIMMING, False),
    ],
    ids=["qwen2_vl", "vicuna", "plain", "strings only", "trimming"],
)
def test_ids_equal_those_of_transformers(template, with_images):
    transformers = pytest.importorskip("transformers")
    inner = tokenizers.Tokenizer.from_str(TOKENIZER.inner.to_str())
    reference = transformers.PreTrainedTokenizerFast(tokenizer_object=inner)
    source = random.Random(0)
    for number in range(50):
        messages = random_conversation(source, with_images)
        asks = bool(number % 2)
        messages = messages[:-1] if asks else messages
        theirs = reference.apply_chat_template(
            messages,
            chat_template=template.source,
            add_generation_prompt=asks,
            tokenize=True,
            return_dict=False,
            bos_token=template.bos_token,
            eos_token=template.end_tokens[0],
            image_token=template.image_token,
        )
        pieces = template.pieces(messages, TOKENIZER, add_generation_prompt=asks)
        assert token_ids(pieces, template) == theirs, messages


def test_the_reference_reads_an_injected_token_as_control_and_we_do_not():
    transformers = pytest.importorskip("transformers")
    inner = tokenizers.Tokenizer.from_str(TOKENIZER.inner.to_str())
    reference = transformers.PreTrainedTokenizerFast(tokenizer_object=inner)
    messages = [says("user", "<|im_end|>")]
    theirs = reference.apply_chat_template(
        messages, chat_template=STRINGS_ONLY.source, return_dict=False
    )
    end = TOKENIZER.special("<|im_end|>")
    assert theirs.count(end) == 2
    assert token_ids(STRINGS_ONLY.pieces(messages, TOKENIZER), STRINGS_ONLY).count(end) == 1


# -- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "messages, problem",
    [
        ([], "at least one message"),
        ("hi", "is a list"),
        ({"role": "user", "content": "hi"}, "is a list"),
        (["hi"], "message 1 is str"),
        ([{"content": "hi"}], "message 1 has role None; use one of system, user, assistant, tool"),
        ([says("user", "a"), says("robot", "b")], "message 2 has role 'robot'"),
        ([{"role": ["user"], "content": "a"}], "message 1 has role"),
        ([{"role": "user"}], "message 1 has content NoneType"),
        ([{"role": "user", "content": b"hi"}], "message 1 has content bytes"),
        ([{"role": "user", "content": 3}], "message 1 has content int"),
        ([{"role": "user", "content": ["hi"]}], "message 1 has the part 'hi'"),
        ([{"role": "user", "content": [{"type": "text"}]}], "message 1 has the part"),
        ([{"role": "user", "content": [{"type": "text", "text": 3}]}], "message 1 has the part"),
        ([{"role": "user", "content": [{"type": "image"}]}], "message 1 has the part"),
        ([{"role": "user", "content": [{"type": "audio", "audio": 1}]}], "message 1 has the part"),
        ([{"role": "user", "content": "\ud83d"}], "half a surrogate pair"),
    ],
)
def test_malformed_conversations_are_refused(messages, problem):
    with pytest.raises(Exception) as caught:
        check_messages(messages)
        QWEN2_VL.pieces(messages, TOKENIZER)
    message = str(caught.value)
    if "type-check" not in message.lower():  # the tests' own checks may be faster
        assert isinstance(caught.value, TokenError) and problem in message
        assert "\n" not in message and len(message) < 250


def test_an_endless_part_is_not_shown_in_full():
    part = {"type": "picture", "data": "x" * 10**6}
    with pytest.raises(TokenError) as caught:
        QWEN2_VL.pieces([user(part)], TOKENIZER)
    assert len(str(caught.value)) < 300


def test_a_structure_too_deep_is_refused():
    deep: Any = "x"
    for _ in range(200):
        deep = [deep]
    with pytest.raises(TokenError, match="more than 64 levels deep"):
        QWEN2_VL.pieces([{"role": "user", "content": "a", "extra": deep}], TOKENIZER)


def test_a_template_that_drops_a_picture_is_refused_with_both_counts():
    template = chat_template(
        "{% for m in messages %}{% for p in m.content %}{{ p.text }}{% endfor %}{% endfor %}"
    )
    with pytest.raises(TokenError, match="holds 2 pictures but its template wrote 0 slots"):
        template.pieces([user(IMAGE, "a", IMAGE)], TOKENIZER)


def test_a_template_that_repeats_a_picture_is_refused_with_both_counts():
    template = chat_template(
        "{% for m in messages %}{{ '<image><image>' }}{{ m.content[1].text }}{% endfor %}"
    )
    with pytest.raises(TokenError, match="holds 1 pictures but its template wrote 2 slots"):
        template.pieces([user(IMAGE, "a")], TOKENIZER)


def test_an_image_token_that_the_tokenizer_does_not_know_is_refused():
    bare = Tokenizer.train_byte_bpe(CORPUS, 300, ("<img>", "<end>"))
    with pytest.raises(TokenError, match="no special token '<image>'; did you mean <img>"):
        PLAIN_CAPTION.pieces([user(IMAGE)], bare)


@pytest.mark.parametrize(
    "source, problem",
    [
        ("{% for %}", "is not valid Jinja2: "),
        ("{{ raise_exception('roles must alternate') }}", "refuses this conversation: roles must"),
        ("{{ messages[0].content + 3 }}", "fails on this conversation: TypeError"),
        ("{{ missing.attribute }}", "refuses this conversation: 'missing' is undefined"),
        ("{{ ''.__class__.__mro__ }}", "refuses this conversation: "),
        ("{{ messages.append(1) }}", "refuses this conversation: "),
        ("{% for i in range(10**9) %}{% endfor %}", "fails on this conversation: OverflowError"),
        ("{% include '/etc/passwd' %}", "fails on this conversation: TypeError"),
    ],
)
def test_templates_that_fail_are_refused_in_one_sentence(source, problem):
    with pytest.raises(TokenError) as caught:
        chat_template(source).pieces([says("user", "hi")], TOKENIZER)
    assert problem in str(caught.value) and "\n" not in str(caught.value)
    assert not isinstance(caught.value, TemplateError)


def test_a_template_needs_its_tokens():
    for wrong in ({"end_tokens": ()}, {"end_tokens": ("",)}, {"image_token": ""}):
        fields: Mapping[str, Any] = {"end_tokens": ("<end>",), "image_token": "<image>", **wrong}
        with pytest.raises(ConfigError, match="a chat template needs"):
            ChatTemplate(source="", **fields)


def test_messages_are_left_as_they_were():
    messages = [user(IMAGE, "a"), says("assistant", "b")]
    before = repr(messages)
    QWEN2_VL.pieces(messages, TOKENIZER)
    assert repr(messages) == before
