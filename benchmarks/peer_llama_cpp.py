"""llama.cpp as one of two engines that `peers` compares; runs where llama-cpp-python is installed.

The C interface itself is called, as llama.cpp's own programs do, so that no Python stands between
two tokens but the choice of the likeliest.
"""

import ctypes
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import llama_cpp
import numpy as np
from llama_cpp import mtmd_cpp as mtmd
from serving import Answer, Clock, serve

ERROR = 4
"""Level of llama.cpp's messages (GGML_LOG_LEVEL_ERROR)."""

BATCH = 512
"""Tokens that llama.cpp reads at once, its own default."""


@llama_cpp.llama_log_callback
def _errors_alone(level: int, text: bytes, data: object) -> None:
    """Pass on what llama.cpp prints, if it is an error."""
    if level == ERROR:
        print(text.decode(errors="replace"), end="", file=sys.stderr)


def load(settings: Mapping[str, Any]) -> tuple[str, Answer]:
    """Load a model and its vision part."""
    for keep_quiet in (llama_cpp.llama_log_set, mtmd.mtmd_log_set, mtmd.mtmd_helper_log_set):
        keep_quiet(_errors_alone, None)
    llama_cpp.llama_backend_init()
    model = _model(settings["model"])
    context = _context(model, settings)
    eyes = _eyes(settings["mmproj"], model, settings["threads"])
    vocab = llama_cpp.llama_model_get_vocab(model)
    num_words = llama_cpp.llama_vocab_n_tokens(vocab)

    def answer(request: Mapping[str, Any], picture: np.ndarray) -> dict[str, Any]:
        llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(context), True)
        marker = mtmd.mtmd_default_marker()
        prompt = b"".join(
            (
                request["before"].removesuffix("<|vision_start|>").encode(),
                marker,  # llama.cpp writes the marks around it itself
                request["after"].removeprefix("<|vision_end|>").encode(),
            )
        )
        clock = Clock()
        chunks = _read(eyes, prompt, picture)
        position = llama_cpp.llama_pos(0)
        code = mtmd.mtmd_helper_eval_chunks(
            eyes, context, chunks, 0, 0, BATCH, True, ctypes.byref(position)
        )
        if code:
            raise RuntimeError(f"llama.cpp refused the prompt with code {code}")
        tokens = _decode(context, num_words, position.value, request["new_tokens"], clock)
        counts = _counts(chunks)
        mtmd.mtmd_input_chunks_free(chunks)
        return {**clock.seconds(), **counts, "answer": tokens}

    name = Path(settings["model"]).stem.split(".")[-1]
    return f"llama.cpp {name}", answer


def _model(path: str) -> Any:
    parameters = llama_cpp.llama_model_default_params()
    model = llama_cpp.llama_model_load_from_file(path.encode(), parameters)
    if not model:
        raise SystemExit(f"llama.cpp cannot load {path}")
    return model


def _context(model: Any, settings: Mapping[str, Any]) -> Any:
    parameters = llama_cpp.llama_context_default_params()
    parameters.n_ctx = 2048
    parameters.n_batch = parameters.n_ubatch = BATCH
    parameters.n_threads = parameters.n_threads_batch = settings["threads"]
    context = llama_cpp.llama_init_from_model(model, parameters)
    if not context:
        raise SystemExit("llama.cpp makes no context for this model")
    return context


def _eyes(path: str, model: Any, threads: int) -> Any:
    parameters = mtmd.mtmd_context_params_default()
    parameters.use_gpu = False
    parameters.print_timings = False
    parameters.n_threads = threads
    eyes = mtmd.mtmd_init_from_file(path.encode(), model, parameters)
    if not eyes:
        raise SystemExit(f"llama.cpp cannot load the vision part {path}")
    return eyes


def _read(eyes: Any, prompt: bytes, picture: np.ndarray) -> Any:
    """Prompt and picture as llama.cpp's chunks."""
    rows, cols, _ = picture.shape
    pixels = picture.ctypes.data_as(ctypes.POINTER(ctypes.c_uint8))
    bitmap = mtmd.mtmd_bitmap_init(cols, rows, pixels)
    text = mtmd.mtmd_input_text(
        text=prompt, text_len=len(prompt), add_special=False, parse_special=True
    )
    chunks = mtmd.mtmd_input_chunks_init()
    bitmaps = (ctypes.c_void_p * 1)(bitmap)
    code = mtmd.mtmd_tokenize(eyes, chunks, ctypes.byref(text), bitmaps, 1)
    mtmd.mtmd_bitmap_free(bitmap)
    if code:
        raise RuntimeError(f"llama.cpp cannot read the prompt, code {code}")
    return chunks


def _decode(
    context: Any, num_words: int, position: int, new_tokens: int, clock: Clock
) -> list[int]:
    """The likeliest tokens one after another, without regard to ends."""
    batch = llama_cpp.llama_batch_init(1, 0, 1)
    tokens: list[int] = []
    for index in range(new_tokens):
        logits = llama_cpp.llama_get_logits_ith(context, -1)
        tokens.append(int(np.ctypeslib.as_array(logits, (num_words,)).argmax()))
        clock.tick()
        if index + 1 < new_tokens:
            batch.n_tokens = 1
            batch.token[0], batch.pos[0] = tokens[-1], position + index
            batch.n_seq_id[0], batch.seq_id[0][0], batch.logits[0] = 1, 0, 1
            if llama_cpp.llama_decode(context, batch):
                raise RuntimeError("llama.cpp refused a token")
    llama_cpp.llama_batch_free(batch)
    return tokens


def _counts(chunks: Any) -> dict[str, int]:
    counts = {"prompt_tokens": 0, "visual_tokens": 0}
    for index in range(mtmd.mtmd_input_chunks_size(chunks)):
        chunk = mtmd.mtmd_input_chunks_get(chunks, index)
        count = mtmd.mtmd_input_chunk_get_n_tokens(chunk)
        counts["prompt_tokens"] += count
        if mtmd.mtmd_input_chunk_get_type(chunk) == mtmd.MTMD_INPUT_CHUNK_TYPE_IMAGE:
            counts["visual_tokens"] += count
    return counts


if __name__ == "__main__":
    serve(load)
