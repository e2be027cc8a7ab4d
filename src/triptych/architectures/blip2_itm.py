"""BLIP-2's first stage as a retriever: does this text belong to this picture?

    224 x 224 -> EVA ViT-g/14 (257 tokens x 1408) -> Q-Former with its text side

    ITC   queries alone -> 32 unit vectors of 256; text alone -> 1; the best cosine of the 32
    ITM   queries and text together -> two logits a query, averaged -> probability of a match

    vision 985,952,256   Q-Former with text, queries and projection 185,881,600   heads 198,402

ITC ranks many, ITM then judges the best few. Training is both together with captioning, negatives
drawn from what ITC finds hard. https://arxiv.org/abs/2301.12597 (section 3.1)

Departures: the learned temperature of the training loss is no part of the published model, so
cosines stay as they are.
"""

from dataclasses import replace

from triptych.architectures.scorer import ScorerArchitecture
from triptych.connector import QFormerConfig, QFormerTextConfig, qformer_blip2
from triptych.fusion.matching import MatcherConfig
from triptych.media import FixedResizeConfig
from triptych.pairs import PairProcessorConfig
from triptych.vision import ViTConfig, eva_vit_g14, eva_vit_g14_debug

PAPER = "https://arxiv.org/abs/2301.12597"
BEGIN, END, PAD = "[CLS]", "[SEP]", "[PAD]"


def blip2_itm() -> ScorerArchitecture:
    """BLIP-2's retriever with ViT-g; BERT's vocabulary and a token that begins captions."""
    text = QFormerTextConfig(vocab_size=30_523)
    return _retriever("blip2_itm", eva_vit_g14(), replace(qformer_blip2(), text=text), 256)


def blip2_itm_debug() -> ScorerArchitecture:
    """Every part of its kind, small enough for a test."""
    qformer = QFormerConfig(
        num_queries=4,
        dim=32,
        depth=2,
        num_heads=2,
        ffn_dim=64,
        text=QFormerTextConfig(vocab_size=320, max_positions=40),
    )
    return _retriever("blip2_itm_debug", eva_vit_g14_debug(), qformer, 24)


def _retriever(
    name: str, vision: ViTConfig, qformer: QFormerConfig, shared_dim: int
) -> ScorerArchitecture:
    assert vision.image_size is not None and qformer.text is not None
    return ScorerArchitecture(
        name=name,
        model=MatcherConfig(
            # Published files store a bias of the keys, which no softmax feels.
            vision=replace(vision, key_bias=None),
            connector=qformer,
            shared_dim=shared_dim,
        ),
        processor=PairProcessorConfig(
            resize=FixedResizeConfig(height=vision.image_size, width=vision.image_size),
            begin_tokens=(BEGIN,),
            end_tokens=(END,),
            pad_token=PAD,
            max_tokens=qformer.text.max_positions,
            pads_to_max=False,
        ),
        paper=PAPER,
    )
