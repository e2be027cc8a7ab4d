"""`watch`: questions about clips."""

import numpy as np
import pytest
from tests.tasks.saying import QWEN, photograph, say

from triptych.errors import MediaError, UsageError
from triptych.generate import GenerationOptions
from triptych.media import open_clip

SHORT = GenerationOptions(max_new_tokens=5)
FRAMES = list(np.random.default_rng(0).integers(0, 255, (8, 32, 48, 3), np.uint8))
QUESTION = "what moves?"


def test_a_clip_is_one_video_of_the_message(qwen):
    part = {"type": "video", "video": open_clip(FRAMES, fps=2.0)}
    message = {"role": "user", "content": [part, {"type": "text", "text": QUESTION}]}
    answer = qwen.watch(FRAMES, QUESTION, SHORT)
    assert answer.num_prompt_tokens == len(QWEN.prompt([message]).token_ids)


def test_fewer_frames_cost_fewer_tokens(qwen, monkeypatch):
    say(monkeypatch, *["up"] * 5)
    cost = [
        qwen.watch(FRAMES, QUESTION, SHORT, max_frames=most).num_prompt_tokens for most in (2, 4, 8)
    ]
    slice_cost = 2 * 3  # tokens of 32 x 48 pixels, in steps of 16
    assert [cost[1] - cost[0], cost[2] - cost[1]] == [slice_cost, 2 * slice_cost]
    clip = open_clip(FRAMES, fps=2.0)
    assert qwen.watch(clip, QUESTION, SHORT).num_prompt_tokens == cost[2]
    assert qwen.watch(clip, QUESTION, SHORT, fps=1.0).num_prompt_tokens == cost[1]


def test_what_cannot_be_watched_is_refused(qwen, tmp_path):
    (tmp_path / "clip.mp4").write_text("words")
    with pytest.raises(MediaError, match="is a text file"):
        qwen.watch(tmp_path / "clip.mp4", QUESTION)
    with pytest.raises(MediaError, match="fps must be above 0, got 0"):
        qwen.watch(FRAMES, QUESTION, fps=0.0)
    with pytest.raises(MediaError, match="max_frames must be above 0, got 0"):
        qwen.watch(FRAMES, QUESTION, max_frames=0)
    with pytest.raises(UsageError, match="the question is empty"):
        qwen.watch(FRAMES, " ")


def test_a_filmed_clip_gets_a_note(drawn_only, monkeypatch):
    say(monkeypatch, "up", "up")
    assert drawn_only.watch([photograph()] * 4, QUESTION).note
    assert not drawn_only.watch([np.zeros((32, 48, 3), np.uint8)] * 4, QUESTION).note
