"""What a model has to do, counted by hand."""

from dataclasses import replace
from itertools import product

import pytest
import torch
from tests.laws.debug_models import DEBUG_NAMES, subject
from torch.utils.flop_counter import FlopCounterMode

from triptych.checkpoint.precision import read_quantize
from triptych.connector import LinearConfig
from triptych.fusion.gated import Gated, GatedConfig
from triptych.fusion.vlm import VLMConfig
from triptych.language import DecoderConfig
from triptych.measure.fresh import fresh_model
from triptych.measure.work import Prompt, Work, Workload, held_bytes, visible_pairs
from triptych.nn.masks import window_mask
from triptych.nn.quantised import has_int8
from triptych.vision import ViTConfig
from triptych.xray.anatomy import build_on_meta
from triptych.xray.forecast import weight_bytes

VISION = ViTConfig(patch_size=2, dim=4, depth=1, num_heads=1, ffn_dim=8, image_size=4)
LANGUAGE = DecoderConfig(
    vocab_size=16, dim=6, depth=1, num_heads=2, num_kv_heads=1, head_dim=4, ffn_dim=10, tied=True
)
SPLICED = VLMConfig(vision=VISION, connector=LinearConfig(), language=LANGUAGE)
GATED = VLMConfig(
    vision=VISION,
    connector=LinearConfig(),
    language=LANGUAGE,
    fusion=GatedConfig(num_heads=1, head_dim=2, ffn_multiple=2),
)
PROMPT = Prompt(num_tokens=7, num_pictures=1, num_visual=4, num_before=2)

KEYS = 2 * 6 * 4
"""Weights of key and value of the language block, which is its panel's last."""

OTHERS = 6 * 8 + 8 * 6 + 3 * 6 * 10
"""Weights of its query, output and gated feed-forward."""

CROSS, FED = 6 * 2 + 2 * 6, 2 * 6 * 12
"""Weights of query and output, and of the feed-forward of the gated block."""


def workload(config: VLMConfig) -> Workload:
    return Workload(config.build().eval())


def test_a_picture_of_four_patches():
    vision, connector = workload(SPLICED).seeing([(1, 3, 4, 4)])
    patches, linear = 2 * 4 * 12 * 4, 4 * (2 * 4 * 4 * 4)
    attention, fed = 2 * (2 * 4 * 4 * 4), 2 * (2 * 4 * 4 * 8)
    assert vision.operations == {"float32": patches + linear + attention + fed}
    assert connector.operations == {"float32": 2 * 4 * 4 * 6}
    model = SPLICED.build()
    pixels, features, visual = 3 * 4 * 4, 4 * 4, 4 * 6
    assert vision.num_bytes == held_bytes(model.vision) + 4 * (pixels + features)
    assert connector.num_bytes == held_bytes(model.connector) + 4 * (features + visual)


def test_two_pictures_of_one_size_read_the_weights_once():
    one, _ = workload(SPLICED).seeing([(1, 3, 4, 4)])
    together, _ = workload(SPLICED).seeing([(2, 3, 4, 4)])
    apart, _ = workload(SPLICED).seeing([(1, 3, 4, 4)] * 2)
    assert together.total == apart.total == 2 * one.total
    assert apart.num_bytes - together.num_bytes == held_bytes(SPLICED.build().vision)


def test_reading_seven_tokens():
    work = workload(SPLICED).reading(PROMPT)
    attention, head = 4 * (2 * 4) * 7, 2 * 16 * 6
    assert work.operations == {"float32": 2 * 7 * KEYS + 2 * OTHERS + attention + head}
    norms, table = 2 * 6, 16 * 6
    cache, embeddings = 7 * 2 * 4, 7 * 6
    assert work.num_bytes == 4 * (KEYS + OTHERS + norms + table + cache + embeddings)


def test_only_the_last_block_has_less_to_do():
    two = replace(SPLICED, language=replace(LANGUAGE, depth=2))
    more = workload(two).reading(PROMPT).total - workload(SPLICED).reading(PROMPT).total
    pairs = 1 + 2 + 3 + 4 + 5 + 6 + 7
    assert more == 2 * 7 * (KEYS + OTHERS) + 4 * (2 * 4) * pairs


def test_one_more_token():
    work = workload(SPLICED).stepping(PROMPT, 7)
    assert work.operations == {"float32": 2 * (KEYS + OTHERS) + 4 * (2 * 4) * 8 + 2 * 16 * 6}
    assert work.num_bytes == 4 * (KEYS + OTHERS + 2 * 6 + 16 * 6 + 8 * 2 * 4)


def test_tokens_behind_a_picture_look_at_it():
    gated, spliced = workload(GATED), workload(SPLICED)
    extra = gated.reading(PROMPT).total - spliced.reading(PROMPT).total
    keys_and_values, attention = 2 * 4 * (2 * 6 * 2), 4 * 2 * 5 * 4
    assert extra == 2 * 5 * (CROSS + FED) + keys_and_values + attention
    extra = gated.stepping(PROMPT, 7).total - spliced.stepping(PROMPT, 7).total
    assert extra == 2 * (CROSS + FED) + 4 * 2 * 4


def test_without_a_picture_nobody_looks():
    alone = Prompt(num_tokens=7, num_before=7)
    gated, spliced = workload(GATED), workload(SPLICED)
    assert gated.reading(alone) == spliced.reading(alone)
    assert gated.stepping(alone, 7) == spliced.stepping(alone, 7)


@pytest.mark.parametrize(
    ("length", "mutual", "window"), [*product((1, 5, 8), (0, 1, 4, 5), (None, 1, 3, 9))]
)
def test_pairs_are_those_of_the_mask(length, mutual, window):
    mutual = min(mutual, length)
    mask = torch.ones(length, length, dtype=torch.bool).tril()
    mask[:mutual, :mutual] = True
    if window is not None and mutual == 0:
        mask = mask & window_mask(length, length, window, torch.device("cpu"))
    if window is None or mutual == 0:
        assert visible_pairs(length, mutual, window) == int(mask.sum())


@pytest.mark.parametrize("name", DEBUG_NAMES)
def test_the_layers_of_a_language_panel_are_all_counted(name):
    """Counted as the layers run on shapes, where attention has no mask."""
    model = subject(name).model
    count, language = Workload(model), build_on_meta(model.config).language
    head = count.reading(Prompt(num_tokens=0)).total
    length = 5
    told = count.reading(Prompt(num_tokens=length, num_mutual=length, num_before=length)).total
    fusion = build_on_meta(model.config).fusion
    if isinstance(fusion, Gated) and fusion.config.mlp_before_pictures:
        fed = sum(each.numel() for block in fusion.blocks.values() for each in weights(block.mlp))
        told -= 2 * length * fed
    last = torch.zeros(1, dtype=torch.long, device="meta")
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        embeddings = torch.empty(1, length, model.config.language.dim, device="meta")
        position_ids = torch.zeros(1, length, dtype=torch.long, device="meta")
        language(embeddings, position_ids=position_ids, wanted=(last, last))
    assert told - head == counter.get_total_flops() - not_needed(model.config.language, length)


def not_needed(config: DecoderConfig, length: int) -> int:
    """What the last block does for tokens that nobody asks for: their queries, and output."""
    width = config.num_heads * config.head_width
    return 2 * (length - 1) * 2 * config.dim * width + 4 * width * (length - 1) * length


def weights(module: torch.nn.Module) -> list[torch.Tensor]:
    return [each.weight for each in module.modules() if isinstance(each, torch.nn.Linear)]


@pytest.mark.skipif(not has_int8(), reason="this CPU has no VNNI instructions")
def test_quantised_layers_are_counted_as_what_they_are():
    plain = Workload(fresh_model("qwen2_vl_debug").model)
    quantised = Workload(fresh_model("qwen2_vl_debug", quantize="int8").model)
    shapes = [(1, 3, 48, 80)]
    stages = [(each.seeing(shapes), each.reading(PROMPT)) for each in (plain, quantised)]
    (seen, read), (seen_int8, read_int8) = stages
    config = plain.config
    for work, in_int8 in [*zip(seen, seen_int8, strict=True), (read, read_int8)]:
        assert in_int8.total == work.total
        assert in_int8.num_bytes < work.num_bytes
    assert set(seen_int8[1].operations) == {"int8"}
    model = fresh_model("qwen2_vl_debug", quantize="int8").model
    told = weight_bytes(config, torch.float32, read_quantize("int8"))
    for panel in ("vision", "connector"):
        assert held_bytes(getattr(model, panel)) == told[panel]
    language = config.language
    pairs = visible_pairs(PROMPT.num_tokens) * (language.depth - 1) + PROMPT.num_tokens
    attention = 4 * language.num_heads * language.head_width * pairs
    assert read_int8.operations["float32"] == attention
    assert read.operations == {"float32": read.total}


def test_work_adds_up_by_kind():
    together = Work({"int8": 1, "float32": 2}, 3) + Work({"float32": 5}, 7)
    assert together == Work({"int8": 1, "float32": 7}, 10)
    assert together.total == 8
