"""A small BLIP-2 whose sizes are all different, transformers' own, on a folder: both its forms."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import tokenizers
from tests.checkpoint.published_llava import randomise
from tokenizers import models, normalizers, pre_tokenizers, processors, trainers

from triptych.architectures import debug_tokenizer
from triptych.text import Tokenizer

LINE_END = "\u010a"
"""As a vocabulary of bytes spells it."""

VISION = {
    "hidden_size": 48,
    "intermediate_size": 72,
    "num_hidden_layers": 3,
    "num_attention_heads": 3,
    "image_size": 40,
    "patch_size": 8,
}
QFORMER = {
    "hidden_size": 24,
    "intermediate_size": 40,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "max_position_embeddings": 60,
}


@cache
def opt_tokenizer() -> Tokenizer:
    """As published: `</s>` in front of every text."""
    return debug_tokenizer(("</s>", "<image>")).framed(("</s>",), ())


def bert_tokenizer() -> Tokenizer:
    """As published: pieces of words in small letters, between two special tokens."""
    inner = tokenizers.Tokenizer(models.WordPiece(unk_token="[UNK]"))
    inner.normalizer = normalizers.BertNormalizer(lowercase=True)
    inner.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "<image>"]
    trainer = trainers.WordPieceTrainer(
        vocab_size=120, special_tokens=specials, show_progress=False
    )
    inner.train_from_iterator(["a photo of a red circle", "what is in the picture?"], trainer)
    ids = [(token, inner.token_to_id(token)) for token in ("[CLS]", "[SEP]")]
    inner.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=ids
    )
    return Tokenizer(inner)


def blip2(seed: int = 0) -> Any:
    """Transformers' generative form, with OPT."""
    import transformers

    ids = opt_tokenizer()
    text = {
        "model_type": "opt",
        "vocab_size": 330,
        "hidden_size": 64,
        "word_embed_proj_dim": 64,
        "ffn_dim": 80,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "max_position_embeddings": 300,
        "bos_token_id": ids.special("</s>"),
        "eos_token_id": ids.special("</s>"),
        "pad_token_id": ids.special("</s>"),
    }
    config = transformers.Blip2Config(
        vision_config=VISION,
        qformer_config=QFORMER,
        text_config=text,
        num_query_tokens=5,
        image_token_index=ids.special("<image>"),
        attn_implementation="eager",
    )
    model = randomise(transformers.Blip2ForConditionalGeneration(config), seed)
    model.generation_config.eos_token_id = ids.ordinary(LINE_END)
    return model


def retriever(seed: int = 0) -> Any:
    """Transformers' retriever."""
    import transformers

    ids = bert_tokenizer()
    config = transformers.Blip2Config(
        vision_config=VISION,
        qformer_config={
            **QFORMER,
            "vocab_size": ids.vocab_size + 2,
            "use_qformer_text_input": True,
            "pad_token_id": 0,
        },
        num_query_tokens=5,
        image_text_hidden_size=20,
        image_token_index=ids.special("<image>"),
        attn_implementation="eager",
    )
    model = randomise(transformers.Blip2ForImageTextRetrieval(config), seed)
    # Probabilities of all sizes.
    model.itm_head.weight.data *= 60
    model.itm_head.bias.data[1] += 9
    return model


def save(folder: Path, model: Any) -> None:
    """Write the folder as it would be published, the text and picture settings by hand."""
    model.save_pretrained(folder)
    is_retriever = type(model).__name__ == "Blip2ForImageTextRetrieval"
    (bert_tokenizer() if is_retriever else opt_tokenizer()).save(folder / "tokenizer.json")
    pixels = {
        "image_processor_type": "BlipImageProcessor",
        "size": {"height": 40, "width": 40},
        "resample": 3,
        "image_mean": [0.48145466, 0.4578275, 0.40821073],
        "image_std": [0.26862954, 0.26130258, 0.27577711],
    }
    tokens: dict[str, Any] = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": "</s>",
        "eos_token": "</s>",
        "pad_token": "</s>",
    }
    if is_retriever:
        tokens |= {"bos_token": None, "eos_token": "[SEP]", "pad_token": "[PAD]"}
    processor = {"processor_class": "Blip2Processor", "num_query_tokens": 5}
    for name, plain in (
        ("preprocessor_config", pixels),
        ("tokenizer_config", tokens),
        ("processor_config", processor),
    ):
        (folder / f"{name}.json").write_text(json.dumps(plain))
