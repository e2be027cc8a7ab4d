"""InternVL as its authors publish it, read only: what is read is written as `internvl` does.

    ours                      published
    vision                    vision_model, query, key and value in one matrix
    connector.norm            mlp1.0
    connector.mlp.up, down    mlp1.1, mlp1.3
    language                  language_model, a Llama or Qwen2

These folders bring code and no chat template: `config.json` names one of a few conversations that
the code knows. They need a `tokenizer.json`, which some lack. InternLM2 is not read; take the same
model in the layout of transformers.

https://github.com/OpenGVLab/InternVL
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import NoReturn

from triptych.architectures.architecture import Architecture
from triptych.architectures.internvl import internvl2_1b
from triptych.connector import PixelShuffleConfig
from triptych.errors import ConfigError
from triptych.fusion.vlm import VLMConfig
from triptych.media import ShapeTilingConfig
from triptych.published.chat import read_chat, write_template
from triptych.published.families.internvl_settings import read_factor
from triptych.published.family import PublishedFamily, PublishedFiles
from triptych.published.language import EMBEDDING, HEAD, LLAMA_NAMES, read_language
from triptych.published.pictures import read_interpolation
from triptych.published.settings import Section
from triptych.published.tensors import (
    PanelNames,
    PublishedTensor,
    published_tensors,
)
from triptych.published.vision import INTERN, read_vision
from triptych.published.vision_names import INTERN_NAMES
from triptych.text import INTERNVL, internvl_source
from triptych.vision import ViTConfig

TITLE, CLASS, KIND = "InternVL-Chat", "InternVLChatModel", "internvl_chat"
"""The layout, what the published code calls the model, and what its settings call it."""

NAMES = {
    "vision": INTERN_NAMES.under("vision_model."),
    "connector": PanelNames(
        outside={"norm": "mlp1.0", "mlp.up": "mlp1.1", "mlp.down": "mlp1.3"},
    ),
    "language": LLAMA_NAMES.under("language_model."),
}

_SHANGHAI = "你是由上海人工智能实验室联合商汤科技开发的书生多模态大模型，英文名叫InternVL, 是一个有用无害的人工智能助手。"  # noqa: E501, RUF001
_WANXIANG = "你是书生·万象，英文名是InternVL，是由上海人工智能实验室、清华大学及多家合作单位联合开发的多模态大语言模型。"  # noqa: E501, RUF001

CONVERSATIONS: Mapping[str, tuple[str, str]] = {
    "Hermes-2": (_SHANGHAI, ""),
    "internlm2-chat": (_SHANGHAI, ""),
    "internvl2_5": (_WANXIANG, "\\n"),
}
"""The system message of a conversation by its name, and what stands behind the end of a turn."""

END = "<|im_end|>"
"""What ends a turn of all of them."""


def internvl_chat_tensors(config: VLMConfig) -> list[PublishedTensor]:
    """Every tensor of ours under its published name, in the order of our modules."""
    return published_tensors(config, NAMES, TITLE)


def read_settings(files: PublishedFiles) -> tuple[VLMConfig, ShapeTilingConfig]:
    """The model and the tiling policy that published files describe.

    Raises:
        ConfigError: a setting is missing, malformed or not supported; names its key and value.
    """
    whole = Section("config.json", files.config).over(
        downsample_ratio=0.5,
        ps_version="v1",
        dynamic_image_size=False,
        use_thumbnail=False,
        min_dynamic_patch=1,
        max_dynamic_patch=6,
    )
    whole.require(
        model_type=KIND,
        quantization_config=None,
        ps_version="v2",
        select_layer=-1,
        pad2square=False,
        use_backbone_lora=0,
        use_llm_lora=0,
    )
    pictures = Section("preprocessor_config.json", files.pixels)
    vision = replace(
        read_vision(INTERN, whole.section("vision_config")),
        keep_class_token=False,
        pixel_mean=pictures.numbers("image_mean"),
        pixel_std=pictures.numbers("image_std"),
    )
    model = VLMConfig(
        vision=vision,
        connector=PixelShuffleConfig(factor=read_factor(whole)),
        language=read_language(whole.section("llm_config")),
    )
    return model, _read_tiling(whole, pictures, vision)


def _read_tiling(whole: Section, pictures: Section, vision: ViTConfig) -> ShapeTilingConfig:
    assert vision.image_size is not None
    whole.require(force_image_size=vision.image_size)
    is_cut = whole.flag("dynamic_image_size")
    if is_cut:
        whole.require(use_thumbnail=True)
    return ShapeTilingConfig(
        tile_size=vision.image_size,
        min_tiles=whole.count("min_dynamic_patch") if is_cut else 1,
        max_tiles=whole.count("max_dynamic_patch") if is_cut else 1,
        interpolation=read_interpolation(pictures),
    )


def _read(files: PublishedFiles, name: str) -> Architecture:
    model, tiling = read_settings(files)
    whole = Section("config.json", files.config)
    whole.one_of("template", *CONVERSATIONS)
    spoken = replace(
        files,
        template=internvl_source(*CONVERSATIONS[whole.word("template")]),
        generation={"eos_token_id": files.tokenizer.special(END)},
    )
    image_token = INTERNVL.image_token
    files.tokenizer.special(image_token)
    template, max_tokens = read_chat(spoken, whole.section("llm_config"), image_token)
    # What the files do not say is as in the family.
    family = internvl2_1b()
    processor = replace(family.processor, resize=tiling, template=template, max_tokens=max_tokens)
    return replace(family, name=name, model=model, processor=processor)


def _write(*_: object) -> NoReturn:
    raise ConfigError(f"the layout of {TITLE} is read only; models are written as InternVL")


INTERNVL_CHAT_FAMILY = PublishedFamily(
    title=TITLE,
    model_types=(KIND,),
    class_name=CLASS,
    covers=lambda architecture: False,
    read=_read,
    write=_write,
    write_template=write_template,
    tensors=internvl_chat_tensors,
    is_skipped=lambda name: name.endswith(".inv_freq"),
    hub_name=lambda name: name,
    embedding=f"language_model.{EMBEDDING}",
    head=f"language_model.{HEAD}",
    default_template=INTERNVL.source,
    loading="",
    serving="",
    notes="",
)
