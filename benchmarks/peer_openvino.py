"""OpenVINO GenAI as one of two engines that `peers` compares; runs where openvino-genai is."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import openvino
import openvino_genai
from serving import Answer, Clock, serve

PICTURE = "<ov_genai_image_0>"
"""Where the picture goes; the pipeline writes the marks around it itself."""


class Counter(openvino_genai.StreamerBase):
    """Notes when each token was chosen, before it becomes text."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.tokens: list[int] = []
        self._clock = clock

    def write(self, token: int | list[int]) -> openvino_genai.StreamingStatus:
        """Take one token or several."""
        self._clock.tick()
        self.tokens += token if isinstance(token, list) else [token]
        return openvino_genai.StreamingStatus.RUNNING

    def end(self) -> None:
        """The answer is complete."""


def load(settings: Mapping[str, Any]) -> tuple[str, Answer]:
    """Load a converted folder on the CPU."""
    properties = {"INFERENCE_NUM_THREADS": settings["threads"], **settings["properties"]}
    pipeline = openvino_genai.VLMPipeline(settings["folder"], "CPU", **properties)

    def answer(request: Mapping[str, Any], picture: np.ndarray) -> dict[str, Any]:
        options = openvino_genai.GenerationConfig()
        options.max_new_tokens = options.min_new_tokens = request["new_tokens"]
        options.ignore_eos, options.do_sample = True, False
        options.apply_chat_template = False
        before = request["before"].removesuffix("<|vision_start|>")
        after = request["after"].removeprefix("<|vision_end|>")
        clock = Clock()
        counter = Counter(clock)
        result = pipeline.generate(
            before + PICTURE + after,
            images=[openvino.Tensor(picture[None])],
            generation_config=options,
            streamer=counter,
        )
        return {
            **clock.seconds(),
            "prompt_tokens": result.perf_metrics.get_num_input_tokens(),
            "answer": counter.tokens,
        }

    return f"OpenVINO {settings['name']}", answer


if __name__ == "__main__":
    serve(load)
