"""From a model's name to an assistant, whichever engine runs it."""

from dataclasses import replace
from pathlib import Path

import torch

from triptych.checkpoint.adapter_folder import base_of, is_adapter, open_adapter
from triptych.checkpoint.layouts import open_model
from triptych.checkpoint.precision import UNQUANTISED, QuantizeConfig, find_dtype, read_quantize
from triptych.engines import ENGINES, Engine, NativeEngine
from triptych.engines.places import find_format
from triptych.errors import UnknownNameError, UsageError
from triptych.processor import Processor
from triptych.tasks.assistant import Assistant
from triptych.tasks.embedded import DEFAULT_MODEL, embedded_models
from triptych.tasks.finding import find_model

KEY_VARIABLE = "TRIPTYCH_API_KEY"
"""Environment variable with the key of a server; a name of our own, so that no other service's key
is sent anywhere by accident."""

TIMEOUT_S = 300.0
"""Longest silence of a server."""


def load(
    name: str | Path | None = None,
    *,
    max_pixels: int | None = None,
    engine: str = "native",
    url: str | None = None,
    key_variable: str = KEY_VARIABLE,
    timeout_s: float = TIMEOUT_S,
    coordinates: str | None = None,
    dtype: str = "float32",
    quantize: QuantizeConfig | str = UNQUANTISED,
    offline: bool = False,
    base: str | Path | None = None,
) -> Assistant:
    """Load a model by its name where it comes with the package, by a folder, or from the Hub.

    Args:
        name: For the native engine an embedded model, the folder of a run, of a saved model or of
            a published one, or a name on the Hub like `owner/name@revision`; None for `mini`. For
            `transformers` a folder or a name on the Hub. For `openai` what the server calls it;
            None where it has only one.
        max_pixels: The most that pictures may have, instead of what the model's configuration
            says.
        engine: What runs it: `native`, `transformers` or `openai`.
        url: Of the server, for `openai`.
        key_variable: Environment variable with the server's key, if it wants one.
        timeout_s: Longest silence of the server.
        coordinates: How the model writes boxes and points, where its name does not tell; one of
            `triptych.engines.places.FORMATS`.
        dtype: What the native engine computes in: `float32`, `bfloat16` or `float16`.
        quantize: Panels that the native engine keeps in fewer bits, `language=int8,vision=int8` as
            a text.
        offline: Whether the native engine reads only the local cache of the Hub.
        base: Of an adapter, the model that it belongs to; None for the one that it names.

    Raises:
        UnknownNameError: there is no such model, folder, engine or form of coordinates.
        CheckpointError: the folder is incomplete or torn.
        UsageError: `max_pixels` is less than the model's smallest picture, or the model resizes
            all pictures to one size; or `url` is missing, malformed, or not for this engine.
        EngineError: the server or the library refuses.
        MissingExtraError: the engine needs a library that is not installed.
    """
    if max_pixels is not None and max_pixels < 1:
        raise UsageError(f"max_pixels must be above 0, got {max_pixels}; leave it out for all")
    if engine not in ENGINES:
        raise UnknownNameError("engine", engine, ENGINES)
    if url is not None and engine != "openai":
        raise UsageError(f"a url is for the openai engine, not for {engine}; add --engine openai")
    places = None if coordinates is None else find_format(coordinates)
    if isinstance(quantize, str):
        quantize = read_quantize(quantize)
    if engine == "native":
        name = DEFAULT_MODEL if name is None else name
        embedded = str(name) if str(name) in embedded_models() else ""
        native = _native(name, base, max_pixels, find_dtype(dtype), quantize, offline)
        return Assistant(native, embedded=embedded, places=places)
    _check_native_only(engine, dtype, quantize, offline)
    if engine == "transformers":
        return Assistant(_transformers(name, max_pixels), places=places)
    return Assistant(_openai(name, url, max_pixels, key_variable, timeout_s), places=places)


def _native(
    name: str | Path,
    base: str | Path | None,
    max_pixels: int | None,
    dtype: torch.dtype,
    quantize: QuantizeConfig,
    offline: bool,
) -> NativeEngine:
    folder = find_model(name, offline=offline)
    if is_adapter(folder):
        under = find_model(base or base_of(folder), offline=offline)
        loaded = open_adapter(folder, under, dtype=dtype, quantize=quantize)
    elif base is not None:
        raise UsageError(f"{folder} is a model and no adapter; leave base out")
    else:
        loaded = open_model(folder, dtype=dtype, quantize=quantize)
    if max_pixels is not None:
        old = loaded.processor
        processor = Processor(old.config, old.model, old.tokenizer, max_pixels=max_pixels)
        loaded = replace(loaded, processor=processor)
    return NativeEngine(loaded)


def _check_native_only(engine: str, dtype: str, quantize: QuantizeConfig, offline: bool) -> None:
    given = {"dtype": dtype != "float32", "quantize": not quantize.is_none, "offline": offline}
    for option, is_given in given.items():
        if is_given:
            raise UsageError(
                f"{option} is for the native engine, not for {engine}, which decides that itself; "
                "leave it out"
            )


def _transformers(name: str | Path | None, max_pixels: int | None) -> Engine:
    from triptych.engines.transformers import load_transformers

    if name is None:
        raise UsageError(
            "the transformers engine needs a model; name a folder or one on the Hub with --model"
        )
    return load_transformers(str(name), max_pixels=max_pixels)


def _openai(
    name: str | Path | None,
    url: str | None,
    max_pixels: int | None,
    key_variable: str,
    timeout_s: float,
) -> Engine:
    from triptych.engines.openai import connect

    if not url:
        raise UsageError("the openai engine needs the address of a server; give it with --url")
    return connect(
        url,
        None if name is None else str(name),
        key_variable=key_variable,
        timeout_s=timeout_s,
        max_pixels=max_pixels,
    )
