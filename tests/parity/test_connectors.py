"""Connectors against the reference implementations, on tiny modules with random weights.

Every parameter of the reference is drawn anew (else zeros and ones hide mistakes), its weights
are renamed and loaded strictly, and outputs are compared element by element.
"""

from collections.abc import Iterator, Mapping

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from triptych.connector import (
    AttentionPoolConfig,
    MergerConfig,
    MLPConfig,
    PixelShuffleConfig,
    QFormer,
    QFormerConfig,
    QFormerTextConfig,
    ResamplerConfig,
    attention_pool_coca,
)
from triptych.shapes import VisionFeatures

TOLERANCE = 1e-5
"""Measured worst cases on a CPU: LLaVA, MiniVLM, Qwen2-VL, InternVL 0; BLIP-2 4.8e-7; IDEFICS
4.8e-7; Qwen-VL 6e-8; CoCa 2.4e-7. A wrong order, norm, epsilon or mask gives more than 1e-4."""

QUIET = 0.05
"""Scale of features that a norm reads first: at unit scale a wrong epsilon would not show."""


def randomise(reference: nn.Module, seed: int = 0) -> nn.Module:
    """Draw every parameter: norms around one, all else around zero."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in reference.named_parameters():
        is_norm = parameter.ndim == 1 and name.endswith("weight")
        drawn = torch.randn(parameter.shape, generator=generator) * 0.05
        parameter.data = drawn + 1 if is_norm else drawn
    return reference.eval()


def renamed(reference: nn.Module, renames: Mapping[str, str]) -> dict[str, Tensor]:
    """The reference's parameters, with parts of their names replaced in the order given."""
    state: dict[str, Tensor] = {}
    for name, tensor in reference.named_parameters():
        for theirs, ours in renames.items():
            name = name.replace(theirs, ours)
        state[name] = tensor.detach()
    return state


def features(
    rows: int = 4, cols: int = 6, dim: int = 8, prefix: int = 0, scale: float = 1.0
) -> VisionFeatures:
    generator = torch.Generator().manual_seed(1)
    return VisionFeatures(
        torch.randn(2, rows, cols, dim, generator=generator) * scale,
        torch.randn(2, prefix, dim, generator=generator) * scale,
    )


def assert_same(ours: Tensor, theirs: Tensor) -> None:
    torch.testing.assert_close(ours, theirs, rtol=0, atol=TOLERANCE)
    assert ours.std() > 1e-3, "an output of almost nothing compares equal to anything"


@pytest.fixture(autouse=True)
def without_gradients() -> Iterator[None]:
    with torch.no_grad():
        yield


def test_mlp_is_llavas():
    pytest.importorskip("transformers")
    from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig
    from transformers.models.llava.modeling_llava import LlavaMultiModalProjector

    config = LlavaConfig(
        vision_config=CLIPVisionConfig(hidden_size=8, num_attention_heads=2),
        text_config=LlamaConfig(hidden_size=12, num_attention_heads=2),
    )
    reference = randomise(LlavaMultiModalProjector(config))
    ours = MLPConfig().build(vision_dim=8, language_dim=12)
    ours.load_state_dict(renamed(reference, {"linear_1": "up", "linear_2": "down"}))

    given = features(prefix=1)
    assert_same(ours(given), reference(given.sequence()))


def test_mlp_with_norm_is_minivlms():
    reference = nn.Sequential(nn.Linear(8, 12), nn.GELU(), nn.LayerNorm(12), nn.Linear(12, 12))
    reference = randomise(reference)
    ours = MLPConfig(norm=True).build(vision_dim=8, language_dim=12)
    ours.load_state_dict(renamed(reference, {"0.": "up.", "2.": "norm.", "3.": "down."}))

    given = features(prefix=1)
    assert_same(ours(given), reference(given.sequence()))


def test_merger_is_qwen2_vls():
    pytest.importorskip("transformers")
    from transformers.models.qwen2_vl.modeling_qwen2_vl import PatchMerger

    reference = randomise(PatchMerger(dim=12, context_dim=8))
    ours = MergerConfig().build(vision_dim=8, language_dim=12)
    ours.load_state_dict(
        renamed(reference, {"ln_q": "norm", "mlp.0": "mlp.up", "mlp.2": "mlp.down"})
    )

    given = features(scale=QUIET)
    # Theirs reads patches block by block: two rows of a block, then the block to the right.
    blocks = given.cells.reshape(2, 2, 2, 3, 2, 8).permute(0, 1, 3, 2, 4, 5)
    assert_same(ours(given), reference(blocks.reshape(-1, 8)).reshape(2, 6, 12))


def test_pixel_shuffle_is_internvls():
    pytest.importorskip("transformers")
    from transformers import InternVLConfig, InternVLVisionConfig, Qwen2Config
    from transformers.models.internvl.modeling_internvl import (
        InternVLModel,
        InternVLMultiModalProjector,
    )

    config = InternVLConfig(
        vision_config=InternVLVisionConfig(hidden_size=8), text_config=Qwen2Config(hidden_size=12)
    )
    reference = randomise(InternVLMultiModalProjector(config))
    ours = PixelShuffleConfig().build(vision_dim=8, language_dim=12)
    renames = {"layer_norm": "norm", "linear_1": "mlp.up", "linear_2": "mlp.down"}
    ours.load_state_dict(renamed(reference, renames))

    given = features(scale=QUIET)
    shuffled = InternVLModel.pixel_shuffle(None, given.cells, scale_factor=0.5)
    assert_same(ours(given), reference(shuffled.reshape(2, 6, 32)))


QFORMER_RENAMES = {
    "encoder.layer.": "layers.",
    "crossattention.": "cross_attention.",
    "attention.attention.": "attention.attention.",
    "attention.output.dense": "attention.attention.out",
    "attention.output.LayerNorm": "attention.norm",
    "intermediate_query.dense": "query_mlp.mlp.up",
    "output_query.dense": "query_mlp.mlp.down",
    "output_query.LayerNorm": "query_mlp.norm",
    "intermediate.dense": "text_mlp.mlp.up",
    "output.dense": "text_mlp.mlp.down",
    "output.LayerNorm": "text_mlp.norm",
    "layernorm.": "norm.",
    "embeddings.word_embeddings": "text_embedding.word",
    "embeddings.position_embeddings": "text_embedding.position",
}


class QFormerReference(nn.Module):
    """The reference's Q-Former with its text embeddings, which it keeps elsewhere."""

    def __init__(self, text: bool) -> None:
        from transformers import Blip2QFormerConfig
        from transformers.models.blip_2.modeling_blip_2 import (
            Blip2QFormerModel,
            Blip2TextEmbeddings,
        )

        super().__init__()
        config = Blip2QFormerConfig(
            vocab_size=20,
            hidden_size=16,
            num_hidden_layers=3,
            num_attention_heads=2,
            intermediate_size=24,
            max_position_embeddings=10,
            encoder_hidden_size=8,
            use_qformer_text_input=text,
            attn_implementation="eager",
        )
        self.queries = nn.Parameter(torch.empty(5, 16))
        self.qformer = Blip2QFormerModel(config)
        if text:
            self.embeddings = Blip2TextEmbeddings(config)

    def ours(self) -> QFormer:
        """Our module with the same weights."""
        text = QFormerTextConfig(vocab_size=20, max_positions=10)
        config = QFormerConfig(
            num_queries=5,
            dim=16,
            depth=3,
            num_heads=2,
            ffn_dim=24,
            text=text if hasattr(self, "embeddings") else None,
        )
        ours = config.build(vision_dim=8, language_dim=12)
        state = renamed(self, {"qformer.": "", **QFORMER_RENAMES})
        projection = {f"language_projection.{k}": v for k, v in projection_weights().items()}
        ours.load_state_dict({**state, **projection})
        return ours.eval()


def projection_weights() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(2)
    weight = torch.randn(12, 16, generator=generator) * 0.05
    return {"weight": weight, "bias": torch.randn(12, generator=generator) * 0.05}


def test_qformer_of_queries_is_blip2s():
    pytest.importorskip("transformers")
    reference = randomise(QFormerReference(text=False))
    given = features(prefix=1)
    queries = reference.queries.expand(2, -1, -1)
    theirs = reference.qformer(queries, encoder_hidden_states=given.sequence()).last_hidden_state

    ours = reference.ours()
    assert_same(ours.encode_image(given), theirs)
    assert_same(ours(given), F.linear(theirs, *projection_weights().values()))


def test_qformer_with_text_is_blip2s():
    pytest.importorskip("transformers")
    reference = randomise(QFormerReference(text=True))
    given, token_ids = features(prefix=1), torch.tensor([[3, 4, 5, 6], [7, 8, 9, 0]])
    token_mask = torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0]])
    row_mask = torch.cat([torch.ones(2, 5, dtype=torch.long), token_mask], dim=1)
    queries = reference.queries.expand(2, -1, -1)
    rows = reference.embeddings(input_ids=token_ids, query_embeds=queries)
    theirs = reference.qformer(
        rows, query_length=5, attention_mask=row_mask, encoder_hidden_states=given.sequence()
    ).last_hidden_state

    ours = reference.ours().encode_pair(given, token_ids, row_mask.bool()[:, None, None])
    assert_same(ours, theirs)


def test_qformer_of_text_alone_is_blip2s():
    pytest.importorskip("transformers")
    reference = randomise(QFormerReference(text=True))
    token_ids, token_mask = (
        torch.tensor([[3, 4, 5], [7, 8, 0]]),
        torch.tensor([[1, 1, 1], [1, 1, 0]]),
    )
    rows = reference.embeddings(input_ids=token_ids)
    theirs = reference.qformer(rows, query_length=0, attention_mask=token_mask).last_hidden_state

    ours = reference.ours().encode_text(token_ids, token_mask.bool()[:, None, None])
    assert_same(ours, theirs)


IDEFICS_RENAMES = {
    ".0.context_layer_norm": ".norm_context",
    ".0.latents_layer_norm": ".norm_latents",
    ".0.q_layer_norm": ".attention.query_norm",
    ".0.k_layer_norm": ".attention.key_norm",
    ".0.q_proj": ".attention.query",
    ".0.k_proj": ".attention.key",
    ".0.v_proj": ".attention.value",
    ".0.output_proj": ".attention.out",
    ".1.ln": ".norm_mlp",
    ".1.fc": ".mlp.up",
    ".1.c_proj": ".mlp.down",
    "blocks": "layers",
    "layer_norm": "norm",
}


@pytest.mark.parametrize("qk_norm", [False, True])
def test_resampler_is_idefics(qk_norm: bool):
    pytest.importorskip("transformers")
    from transformers import IdeficsConfig
    from transformers.models.idefics.perceiver import IdeficsPerceiverResampler

    config = IdeficsConfig(
        vision_config={"embed_dim": 8}, perceiver_config={"qk_layer_norms_perceiver": qk_norm}
    )
    reference = randomise(
        IdeficsPerceiverResampler(config, embed_dim=8, depth=3, n_heads=2, head_dim=6, n_latents=5)
    )
    ours = ResamplerConfig(
        num_latents=5,
        depth=3,
        num_heads=2,
        head_dim=6,
        activation="relu",
        qk_norm=qk_norm,
        project=False,
    ).build(vision_dim=8, language_dim=12)
    ours.load_state_dict(renamed(reference, IDEFICS_RENAMES))

    given = features(prefix=1, scale=QUIET)
    assert_same(ours(given), reference(given.sequence()))


class QwenVLPool(nn.Module):
    """The closed form of Qwen-VL's pool, on torch's own attention and numpy-like positions."""

    def __init__(self) -> None:
        super().__init__()
        self.query = nn.Parameter(torch.empty(6, 8))
        self.kv_proj = nn.Linear(10, 8, bias=False)
        self.attn = nn.MultiheadAttention(8, 2, batch_first=True)
        self.ln_q = nn.LayerNorm(8, eps=1e-6)
        self.ln_kv = nn.LayerNorm(8, eps=1e-6)
        self.ln_post = nn.LayerNorm(8, eps=1e-6)
        self.proj = nn.Parameter(torch.empty(8, 8))

    def forward(self, cells: Tensor) -> Tensor:
        images, rows, cols, _ = cells.shape
        table = torch.stack([place(row, col) for row in range(2) for col in range(3)])
        stretched = F.interpolate(
            table.T.reshape(1, 8, 2, 3), size=(rows, cols), mode="bicubic", align_corners=False
        )
        keys = self.ln_kv(self.kv_proj(cells.reshape(images, rows * cols, -1)))
        queries = (self.ln_q(self.query) + table).expand(images, -1, -1)
        pooled, _ = self.attn(queries, keys + stretched.reshape(8, -1).T, keys)
        return self.ln_post(pooled) @ self.proj


def place(row: int, col: int) -> Tensor:
    """Position of one cell, width 8: (sin, cos) of the column at two speeds, then of the row."""
    speeds = torch.tensor([1.0, 10000.0**-0.5])
    return torch.cat(
        [wave(index * speeds) for index in (col, row) for wave in (torch.sin, torch.cos)]
    )


def split_attention(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Torch's fused input projection as three; `proj` multiplies from the other side."""
    for kind in ("weight", "bias"):
        parts = state.pop(f"attn.in_proj_{kind}").chunk(3)
        state.update(
            {
                f"{name}.{kind}": part
                for name, part in zip(("query", "key", "value"), parts, strict=True)
            }
        )
    state["queries"] = state.pop("query")
    state["projection.weight"] = state.pop("proj").T
    return state


@pytest.mark.parametrize(("rows", "cols"), [(2, 3), (4, 6), (5, 3)])
def test_attention_pool_is_qwen_vls(rows: int, cols: int):
    reference = randomise(QwenVLPool())
    ours = AttentionPoolConfig(query_grid=(2, 3), num_heads=2).build(vision_dim=10, language_dim=8)
    renames = {
        "ln_q": "norm_queries",
        "ln_kv": "norm_features",
        "ln_post": "norm",
        "kv_proj": "feature_projection",
        "attn.out_proj": "out",
    }
    ours.load_state_dict(split_attention(renamed(reference, renames)))

    given = features(rows, cols, dim=10, scale=QUIET)
    assert_same(ours(given), reference(given.cells))


def test_attention_pool_is_cocas():
    # open_clip's pooler: layer norms of queries and features, torch attention, one more norm.
    attention = nn.MultiheadAttention(8, 2, kdim=10, vdim=10, batch_first=True)
    parts = {"attn": attention, "ln_q": nn.LayerNorm(8), "ln_k": nn.LayerNorm(10)}
    reference = randomise(nn.ModuleDict({**parts, "ln_post": nn.LayerNorm(8)}))
    queries = torch.randn(5, 8, generator=torch.Generator().manual_seed(3))
    ours = attention_pool_coca(num_queries=5, num_heads=2).build(vision_dim=10, language_dim=8)
    state = renamed(
        reference,
        {
            "ln_q": "norm_queries",
            "ln_k": "norm_features",
            "ln_post": "norm",
            "attn.q_proj_weight": "query.weight",
            "attn.k_proj_weight": "key.weight",
            "attn.v_proj_weight": "value.weight",
            "attn.out_proj": "out",
        },
    )
    offsets = state.pop("attn.in_proj_bias").chunk(3)
    state |= {
        f"{name}.bias": part for name, part in zip(("query", "key", "value"), offsets, strict=True)
    }
    ours.load_state_dict({**state, "queries": queries})

    given = features(dim=10, prefix=1, scale=QUIET)
    keys = reference["ln_k"](given.sequence())
    pooled, _ = attention(reference["ln_q"](queries).expand(2, -1, -1), keys, keys)
    assert_same(ours(given), reference["ln_post"](pooled))
