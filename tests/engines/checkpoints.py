"""Small published checkpoints for other engines: one of a native family, and one of another."""

import json
from pathlib import Path
from typing import Any

import torch
from tests.laws.debug_models import subject

from triptych.architectures import debug_tokenizer
from triptych.checkpoint.layouts import export_model
from triptych.checkpoint.model_folder import LoadedModel

_TEMPLATE = """\
{% for message in messages %}{{ message.role }}:\
{% for part in message.content %}{% if part.type == "image" %}<image>{% else %}{{ part.text }}\
{% endif %}{% endfor %}<end_of_utterance>
{% endfor %}{% if add_generation_prompt %}assistant:{% endif %}"""


def export_llava(folder: Path) -> Path:
    """Our debug LLaVA-1.5, in the layout that transformers reads."""
    llava = subject("llava_1_5_debug")
    export_model(folder, LoadedModel(llava.architecture, llava.model, llava.processor))
    return folder


def write_idefics2(folder: Path) -> Path:
    """An Idefics2, which has no native file."""
    import transformers
    from transformers.models.idefics2.image_processing_pil_idefics2 import Idefics2ImageProcessorPil

    folder.mkdir(parents=True)
    specials = ("<s>", "</s>", "<image>", "<fake_token_around_image>", "<end_of_utterance>")
    ids = debug_tokenizer(specials)
    ids.save(folder / "tokenizer.json")
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        **{"bos_token": "<s>", "eos_token": "</s>", "pad_token": "</s>"},
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    model: Any = transformers.Idefics2ForConditionalGeneration(_idefics2_config(ids))
    generator = torch.Generator().manual_seed(0)
    for parameter in model.parameters():
        parameter.data = 0.2 * torch.randn(parameter.shape, generator=generator)
    model.generation_config.eos_token_id = [ids.special("</s>"), ids.special("<end_of_utterance>")]
    model.save_pretrained(folder)
    pictures = Idefics2ImageProcessorPil(
        size={"longest_edge": 56, "shortest_edge": 28}, do_image_splitting=False
    )
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    transformers.Idefics2Processor(
        pictures, tokenizer, image_seq_len=4, chat_template=_TEMPLATE
    ).save_pretrained(folder)
    return folder


def _idefics2_config(ids: Any) -> Any:
    import transformers

    return transformers.Idefics2Config(
        vision_config={
            **{"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2},
            **{"num_attention_heads": 2, "image_size": 56, "patch_size": 14},
        },
        perceiver_config={
            **{"hidden_size": 48, "resampler_n_latents": 4, "resampler_depth": 1},
            **{"resampler_n_heads": 2, "resampler_head_dim": 16, "num_key_value_heads": 1},
        },
        text_config={
            **{"model_type": "mistral", "vocab_size": ids.vocab_size, "hidden_size": 48},
            **{"intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4},
            **{"num_key_value_heads": 2, "max_position_embeddings": 256},
            **{"bos_token_id": ids.special("<s>"), "eos_token_id": ids.special("</s>")},
            "pad_token_id": ids.special("</s>"),
        },
        image_token_id=ids.special("<image>"),
    )
