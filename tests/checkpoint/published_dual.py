"""Small CLIP and SigLIP whose sizes are all different, transformers' own, on a folder."""

import json
from pathlib import Path
from typing import Any

import tokenizers
from tests.checkpoint.published_llava import randomise
from tokenizers import Regex, decoders, models, normalizers, pre_tokenizers, processors, trainers

from triptych.text import Tokenizer

CORPUS = (
    "a red circle to the left of a blue square",
    "a photo of a dog on the beach, running",
    "what is in the picture? there is a green triangle above a white cross",
)
BEGIN, END = "<|startoftext|>", "<|endoftext|>"
SIZES = {
    "num_hidden_layers": 3,
    "hidden_size": 48,
    "num_attention_heads": 3,
    "intermediate_size": 72,
}
TEXT_SIZES = {
    "num_hidden_layers": 2,
    "hidden_size": 32,
    "num_attention_heads": 2,
    "intermediate_size": 40,
}


def clip_tokenizer() -> Tokenizer:
    """As published: words end in a mark, letters are small, special tokens have the last ids."""
    inner = tokenizers.Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    inner.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    words = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
    inner.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(words), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    inner.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=620,
        initial_alphabet=alphabet,
        end_of_word_suffix="</w>",
        show_progress=False,
    )
    inner.train_from_iterator([*CORPUS, *alphabet], trainer)
    inner.add_special_tokens([BEGIN, END])
    ids = {token: inner.token_to_id(token) for token in (BEGIN, END)}
    inner.post_processor = processors.TemplateProcessing(
        single=[BEGIN, "$A", END], special_tokens=list(ids.items())
    )
    return Tokenizer(inner)


def siglip_tokenizer() -> Tokenizer:
    """As published: pieces of words, small letters, no punctuation, `</s>` behind a text."""
    inner = tokenizers.Tokenizer(models.Unigram())
    inner.normalizer = normalizers.Sequence(
        [
            normalizers.Lowercase(),
            normalizers.Replace(Regex(r"[!-/:-@\[-`{-~]"), ""),
            normalizers.Replace(Regex(r"\s+"), " "),
            normalizers.Strip(),
        ]
    )
    inner.pre_tokenizer = pre_tokenizers.Metaspace()
    inner.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=90, special_tokens=["<unk>", "</s>"], unk_token="<unk>", show_progress=False
    )
    inner.train_from_iterator(CORPUS, trainer)
    inner.post_processor = processors.TemplateProcessing(
        single=["$A", "</s>"], special_tokens=[("</s>", inner.token_to_id("</s>"))]
    )
    return Tokenizer(inner)


def clip(*, old_end: bool = False, seed: int = 0) -> Any:
    """Transformers' CLIP; `old_end` names the end token by the number of early checkpoints."""
    import transformers

    tokenizer = clip_tokenizer()
    text = {
        **TEXT_SIZES,
        "vocab_size": tokenizer.vocab_size + 3,
        "max_position_embeddings": 40,
        "bos_token_id": tokenizer.special(BEGIN),
        "eos_token_id": 2 if old_end else tokenizer.special(END),
        "pad_token_id": tokenizer.special(END),
    }
    text["projection_dim"] = 24
    vision = {**SIZES, "image_size": 40, "patch_size": 8, "projection_dim": 24}
    config = transformers.CLIPConfig(
        text_config=text, vision_config=vision, projection_dim=24, attn_implementation="eager"
    )
    return _moved(randomise(transformers.CLIPModel(config), seed))


def siglip(*, seed: int = 0) -> Any:
    """Transformers' SigLIP, a rim of whose pictures is not seen."""
    import transformers

    tokenizer = siglip_tokenizer()
    text = {
        **TEXT_SIZES,
        "vocab_size": tokenizer.vocab_size + 3,
        "max_position_embeddings": 40,
        "projection_size": SIZES["hidden_size"],
        "bos_token_id": None,
        "eos_token_id": tokenizer.special("</s>"),
        "pad_token_id": tokenizer.special("</s>"),
    }
    vision = {**SIZES, "image_size": 43, "patch_size": 8}
    config = transformers.SiglipConfig(
        text_config=text, vision_config=vision, attn_implementation="eager"
    )
    return _moved(randomise(transformers.SiglipModel(config), seed))


def save(folder: Path, model: Any) -> None:
    """Write the folder as it would be published, the text and picture settings by hand."""
    model.save_pretrained(folder)
    is_clip = model.config.model_type == "clip"
    side = model.config.vision_config.image_size
    square = {"height": side, "width": side}
    (clip_tokenizer() if is_clip else siglip_tokenizer()).save(folder / "tokenizer.json")
    pixels: dict[str, Any] = {
        "image_processor_type": "CLIPImageProcessor" if is_clip else "SiglipImageProcessor",
        "do_center_crop": is_clip,
        "size": {"shortest_edge": side} if is_clip else square,
        "resample": 3,
        "image_mean": [0.48145466, 0.4578275, 0.40821073] if is_clip else [0.5, 0.5, 0.5],
        "image_std": [0.26862954, 0.26130258, 0.27577711] if is_clip else [0.5, 0.5, 0.5],
        **({"crop_size": square} if is_clip else {}),
    }
    end = END if is_clip else "</s>"
    tokens = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "processor_class": "CLIPProcessor" if is_clip else "SiglipProcessor",
        "bos_token": BEGIN if is_clip else None,
        "eos_token": end,
        "pad_token": end,
        "model_max_length": 40,
        "model_input_names": ["input_ids", "attention_mask"] if is_clip else ["input_ids"],
    }
    for name, plain in (("preprocessor_config", pixels), ("tokenizer_config", tokens)):
        (folder / f"{name}.json").write_text(json.dumps(plain))


def _moved(model: Any) -> Any:
    """Scores of about one, so that neither a softmax nor a sigmoid hides a difference."""
    model.logit_scale.data.fill_(2.0)
    if hasattr(model, "logit_bias"):
        model.logit_bias.data.fill_(-1.5)
    return model
