"""What every architecture promises of an answer that is given piece by piece."""

from dataclasses import replace

import pytest
from tests.laws.debug_models import DEBUG_NAMES, QUESTIONS, subject

from triptych.generate import GenerationOptions, generate, stream

GREEDY = GenerationOptions(max_new_tokens=6)
SAMPLED = GenerationOptions(max_new_tokens=8, temperature=1.0, seed=7)


@pytest.fixture(params=DEBUG_NAMES)
def debug(request):
    return subject(request.param)


@pytest.mark.parametrize("options", [GREEDY, SAMPLED], ids=["greedy", "sampled"])
def test_a_streamed_answer_is_the_whole_answer(debug, options):
    for question in (QUESTIONS[0], QUESTIONS[3]):
        prompt = debug.prompt(question)
        [whole] = generate(debug.model, debug.processor, [prompt], options)
        pieces = list(stream(debug.model, debug.processor, prompt, options))
        assert "".join(pieces) == whole.text


@pytest.mark.parametrize("options", [GREEDY, SAMPLED, replace(GREEDY, num_beams=2)])
def test_the_end_of_a_stream_says_what_the_whole_answer_says(debug, options):
    prompt = debug.prompt(QUESTIONS[0])
    [whole] = generate(debug.model, debug.processor, [prompt], options)
    pieces = stream(debug.model, debug.processor, prompt, options)
    with pytest.raises(StopIteration) as end:
        while True:
            next(pieces)
    assert end.value.value == whole
    if options.num_beams == 1:
        assert sum(whole.log_probabilities) == whole.log_probability
        assert len(whole.log_probabilities) == len(whole.token_ids)


def test_a_streamed_answer_stops_where_the_whole_one_does(debug):
    prompt = debug.prompt(QUESTIONS[0])
    [free] = generate(debug.model, debug.processor, [prompt], SAMPLED)
    middle = len(free.text) // 2
    options = replace(SAMPLED, stop=(free.text[middle : middle + 2],))
    [whole] = generate(debug.model, debug.processor, [prompt], options)
    assert whole.ended
    assert whole.text == free.text[: free.text.index(options.stop[0])]
    assert "".join(stream(debug.model, debug.processor, prompt, options)) == whole.text
