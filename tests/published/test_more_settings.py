"""CLIP, SigLIP, BLIP-2 and IDEFICS: settings as on the Hub are the sizes we know.

Files there leave out what has the value of its class and hold much that nothing reads.
"""

from dataclasses import replace
from typing import Any

import pytest
from tests.checkpoint.published_blip2 import LINE_END, bert_tokenizer, opt_tokenizer
from tests.checkpoint.published_dual import clip_tokenizer, siglip_tokenizer
from tests.checkpoint.published_idefics import tokenizer as idefics_tokenizer

from triptych.architectures import SCORERS, find_architecture
from triptych.errors import ConfigError
from triptych.published.families.blip2 import BLIP2_FAMILY
from triptych.published.families.blip2_itm import BLIP2_ITM_FAMILY
from triptych.published.families.clip import CLIP_FAMILY
from triptych.published.families.idefics import IDEFICS_FAMILY
from triptych.published.families.siglip import SIGLIP_FAMILY
from triptych.published.family import PublishedFiles
from triptych.text import Tokenizer

CLIP_COLOURS = {
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
}
HALF = {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}


def files(
    tokenizer: Tokenizer,
    config: dict[str, Any],
    pixels: dict[str, Any],
    generation: dict[str, Any] | None = None,
    template: str = "",
) -> PublishedFiles:
    return PublishedFiles(
        config=config,
        pixels=pixels,
        generation=generation or {},
        tokens={},
        template=template,
        tokenizer=tokenizer,
    )


CLIP_TEXT = {
    "attention_dropout": 0.0,
    "bos_token_id": 0,
    "dropout": 0.0,
    "eos_token_id": 2,
    "hidden_act": "quick_gelu",
    "hidden_size": 512,
    "intermediate_size": 2048,
    "layer_norm_eps": 1e-05,
    "max_position_embeddings": 77,
    "model_type": "clip_text_model",
    "num_attention_heads": 8,
    "num_hidden_layers": 12,
    "projection_dim": 512,
    "tie_word_embeddings": True,
    "vocab_size": 49408,
}
CLIP_PIXELS = {
    **CLIP_COLOURS,
    "crop_size": 224,
    "do_center_crop": True,
    "do_normalize": True,
    "do_resize": True,
    "feature_extractor_type": "CLIPFeatureExtractor",
    "resample": 3,
    "size": 224,
}


def test_clip_b32_is_read_with_its_old_end_token():
    config = {
        "architectures": ["CLIPModel"],
        "initializer_factor": 1.0,
        "logit_scale_init_value": 2.6592,
        "model_type": "clip",
        "projection_dim": 512,
        "text_config": CLIP_TEXT,
        "text_config_dict": None,
        "vision_config": {"dropout": 0.0, "model_type": "clip_vision_model", "patch_size": 32},
        "vision_config_dict": None,
    }
    found = CLIP_FAMILY.read(files(clip_tokenizer(), config, CLIP_PIXELS), "clip_b32")
    known = SCORERS["clip_b32"]()
    language = replace(known.model.language, speaker="largest", end_id=None)
    assert found == replace(known, model=replace(known.model, language=language))


def test_clip_l14_336_is_read_by_the_groups_that_it_repeats():
    large = {
        "hidden_size": 768,
        "intermediate_size": 3072,
        "num_attention_heads": 12,
        "num_hidden_layers": 12,
        "projection_dim": 768,
    }
    vision = {
        "hidden_size": 1024,
        "image_size": 336,
        "intermediate_size": 4096,
        "num_attention_heads": 16,
        "num_hidden_layers": 24,
        "patch_size": 14,
        "projection_dim": 768,
    }
    config = {
        "model_type": "clip",
        "projection_dim": 768,
        "text_config": {**CLIP_TEXT, **large},
        "text_config_dict": large,
        "vision_config": {**vision, "model_type": "clip_vision_model"},
        "vision_config_dict": vision,
    }
    pixels = {**CLIP_PIXELS, "crop_size": 336, "size": 336}
    found = CLIP_FAMILY.read(files(clip_tokenizer(), config, pixels), "clip_l14_336")
    assert found == SCORERS["clip_l14_336"]()


def test_siglip_b16_leaves_everything_to_its_classes():
    config = {
        "architectures": ["SiglipModel"],
        "initializer_factor": 1.0,
        "model_type": "siglip",
        "text_config": {"model_type": "siglip_text_model"},
        "vision_config": {"model_type": "siglip_vision_model"},
    }
    pixels = {**HALF, "resample": 3, "size": {"height": 224, "width": 224}}
    found = SIGLIP_FAMILY.read(files(siglip_tokenizer(), config, pixels), "siglip_b16")
    assert found == SCORERS["siglip_b16"]()


def test_siglip_so400m_names_its_sizes():
    sizes = {
        "hidden_size": 1152,
        "intermediate_size": 4304,
        "num_attention_heads": 16,
        "num_hidden_layers": 27,
    }
    config = {
        "model_type": "siglip",
        "text_config": {**sizes, "model_type": "siglip_text_model"},
        "vision_config": {
            **sizes,
            "image_size": 384,
            "model_type": "siglip_vision_model",
            "patch_size": 14,
        },
    }
    pixels = {**HALF, "resample": 3, "size": {"height": 384, "width": 384}}
    found = SIGLIP_FAMILY.read(files(siglip_tokenizer(), config, pixels), "siglip_so400m")
    assert found == SCORERS["siglip_so400m"]()


SQUARE = {**CLIP_COLOURS, "resample": 3, "size": {"height": 224, "width": 224}}


def blip2_config(**text: object) -> dict[str, Any]:
    ids = opt_tokenizer()
    return {
        "architectures": ["Blip2ForConditionalGeneration"],
        "image_text_hidden_size": 256,
        "image_token_index": ids.special("<image>"),
        "model_type": "blip-2",
        "num_query_tokens": 32,
        "qformer_config": {"classifier_dropout": None, "model_type": "blip_2_qformer"},
        "text_config": {
            "_name_or_path": "facebook/opt-2.7b",
            "activation_dropout": 0.0,
            "bos_token_id": ids.special("</s>"),
            "eos_token_id": ids.ordinary(LINE_END),
            "ffn_dim": 10240,
            "hidden_size": 2560,
            "model_type": "opt",
            "num_attention_heads": 32,
            "num_hidden_layers": 32,
            "prefix": "</s>",
            "vocab_size": 50304,
            "word_embed_proj_dim": 2560,
            **text,
        },
        "use_decoder_only_language_model": True,
        "vision_config": {
            "dropout": 0.0,
            "model_type": "blip_2_vision_model",
            "num_channels": 3,
            "projection_dim": 512,
        },
    }


def test_blip2_opt_ends_at_a_line_end():
    given = files(opt_tokenizer(), blip2_config(), SQUARE, template="{{ bos_token }}")
    found = BLIP2_FAMILY.read(given, "blip2_opt_2_7b")
    known = find_architecture("blip2_opt_2_7b")
    # Published with rows for the token of pictures, and with the dropout of its training.
    language = replace(known.model.language, vocab_size=50304, dropout=0.1)
    assert found.model == replace(known.model, language=language)
    assert found.processor.template.end_tokens == ("</s>",)
    assert found.processor.template.stop_tokens == (LINE_END,)


def test_an_end_that_no_token_has_is_refused():
    given = files(opt_tokenizer(), blip2_config(eos_token_id=50118), SQUARE, template="x")
    with pytest.raises(ConfigError, match=r"eos_token_id is \[50118\], which the tokenizer does"):
        BLIP2_FAMILY.read(given, "x")


def test_blip2_without_a_token_for_pictures_is_refused():
    config = {key: each for key, each in blip2_config().items() if key != "image_token_index"}
    with pytest.raises(ConfigError, match="image_token_index"):
        BLIP2_FAMILY.read(files(opt_tokenizer(), config, SQUARE, template="x"), "x")


def test_blip2_itm_has_a_word_more_than_bert():
    config = {
        "architectures": ["Blip2ForImageTextRetrieval"],
        "image_text_hidden_size": 256,
        "model_type": "blip-2",
        "num_query_tokens": 32,
        "qformer_config": {
            "model_type": "blip_2_qformer",
            "use_qformer_text_input": True,
            "vocab_size": 30523,
        },
        "vision_config": {"model_type": "blip_2_vision_model"},
    }
    given = files(bert_tokenizer(), config, SQUARE)
    found = BLIP2_ITM_FAMILY.read(replace(given, tokens={"pad_token": "[PAD]"}), "blip2_itm")
    assert found == SCORERS["blip2_itm"]()


def test_idefics_9b_says_its_sizes_among_much_else():
    ids = idefics_tokenizer()
    config = {
        "additional_vocab_size": 2,
        "alpha_initializer": "zeros",
        "alpha_type": "vector",
        "alphas_initializer_range": 0.0,
        "architectures": ["IdeficsForVisionText2Text"],
        "bos_token_id": ids.special("<s>"),
        "cross_layer_activation_function": "swiglu",
        "cross_layer_interval": 4,
        "dropout": 0.0,
        "eos_token_id": ids.special("</s>"),
        "ffn_dim": 64,
        "freeze_lm_head": False,
        "hidden_act": "silu",
        "hidden_size": 4096,
        "intermediate_size": 11008,
        "max_new_tokens": 100,
        "max_position_embeddings": 2048,
        "model_type": "idefics",
        "num_attention_heads": 32,
        "num_hidden_layers": 32,
        "perceiver_config": {
            "model_type": "idefics",
            "qk_layer_norms_perceiver": True,
            "use_resampler": False,
        },
        "qk_layer_norms": True,
        "rms_norm_eps": 1e-06,
        "tie_word_embeddings": False,
        "use_resampler": True,
        "vision_config": {
            "embed_dim": 1280,
            "hidden_act": "gelu",
            "model_type": "idefics",
            "vision_model_name": "laion/CLIP-ViT-H-14-laion2B-s32B-b79K",
        },
        "vocab_size": 32000,
        "word_embed_proj_dim": 4096,
    }
    pixels = {**CLIP_COLOURS, "image_num_channels": 3, "image_size": 224}
    known = find_architecture("idefics_9b")
    given = files(ids, config, pixels, template=known.processor.template.source)
    assert IDEFICS_FAMILY.read(given, "idefics_9b") == known
    scalar = files(ids, {**config, "alpha_type": "float"}, pixels, template="x")
    assert not IDEFICS_FAMILY.read(scalar, "x").model.fusion.gate_channels
