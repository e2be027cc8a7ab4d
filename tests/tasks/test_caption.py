"""`caption`: what is asked so that a picture is described depends on the model."""

import numpy as np
from tests.laws.debug_models import subject
from tests.tasks.saying import asked, say

from triptych.tasks.caption import DESCRIBE, caption_prompt
from triptych.text import FLAMINGO, PLAIN_CAPTION, QWEN2_VL, VICUNA, ChatTemplate

DRAWING = np.zeros((40, 60, 3), np.uint8)


def test_models_that_converse_are_asked_and_models_that_go_on_are_not():
    assert caption_prompt(QWEN2_VL) == caption_prompt(VICUNA) == DESCRIBE
    assert caption_prompt(PLAIN_CAPTION) == caption_prompt(FLAMINGO) == ""
    older = ChatTemplate(
        source="{% for m in messages %}{% for p in m.content %}"
        "{{ image_token if p.type == 'image' else p.text }}{% endfor %}{% endfor %}",
        end_tokens=("<end>",),
        image_token="<image>",
    )
    assert caption_prompt(older) == ""


def test_a_prompt_of_ones_own_takes_the_place_of_the_usual(qwen, monkeypatch):
    saying = say(monkeypatch, "a", "b")
    qwen.caption([DRAWING])
    qwen.caption([DRAWING], prompt="In a word?")
    assert list(map(asked, saying.prompts)) == [DESCRIBE, "In a word?"]


def test_the_debug_twin_of_the_captioning_recipes_sees_nothing_but_the_picture():
    assert caption_prompt(subject("minivlm_debug").processor.template) == ""
