"""What training needs in memory: everything, adapters, adapters over fewer bits, blocks made anew.

    python benchmarks/memory_savers.py [--tokens 512] [--batch 4] [--steps 2]

One process a row, on a model with fresh weights: a frozen ViT of 22 million parameters, a merger,
and a decoder of 107 million. `weights` is what the model takes, `peak` the most that the process
held beyond what it did before there was a model, `s` the quickest step.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

Variant = tuple[str, dict[str, Any]]

ANEW = {"checkpointing": ["language"]}
VARIANTS: tuple[Variant, ...] = (
    ("all of the language", {}),
    ("all of it, blocks made anew", ANEW),
    ("LoRA", {"lora": {"rank": 16}}),
    ("LoRA, blocks made anew", {"lora": {"rank": 16}} | ANEW),
    ("QLoRA in int8", {"lora": {"rank": 16, "base_bits": "int8"}}),
    ("QLoRA in int8, blocks made anew", {"lora": {"rank": 16, "base_bits": "int8"}} | ANEW),
    ("QLoRA in int4", {"lora": {"rank": 16, "base_bits": "int4"}}),
    ("QLoRA in int4, blocks made anew", {"lora": {"rank": 16, "base_bits": "int4"}} | ANEW),
)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--tokens", type=int, default=512)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--row", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.row is not None:
        print(json.dumps(measure(VARIANTS[given.row][1], given.tokens, given.batch, given.steps)))
        return
    print(f"{'':34}weights MB  peak MB      s    loss")
    for number, (name, _) in enumerate(VARIANTS):
        command = [sys.executable, __file__, *sys.argv[1:], "--row", str(number)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        row = json.loads(done.stdout)
        print(
            f"{name:34}{row['weights']:10.0f}{row['peak']:9.0f}{row['seconds']:7.2f}"
            f"{row['loss']:8.4f}",
            flush=True,
        )


def measure(changes: dict[str, Any], num_tokens: int, batch: int, num_steps: int) -> dict[str, Any]:
    """Train for some steps; memory in MB."""
    import torch
    from torch.nn import functional

    from triptych.adapters import attach
    from triptych.config import from_dict
    from triptych.train import TrainConfig
    from triptych.train.optimizer import build_optimizer, freeze, set_training
    from triptych.train.recomputing import set_recomputed

    config = from_dict(
        TrainConfig,
        {"learning_rates": {"language": 1e-4}, "epochs": 1, "batch_size": batch, **changes},
    )
    torch.manual_seed(0)
    torch.zeros(1).sum().item()
    before = held_mb("VmRSS")
    model = build()
    if config.lora.rank:
        attach(model, config.lora, seed=0)
    freeze(model, config.learning_rates)
    set_recomputed(model, config)
    set_training(model, config.learning_rates)
    optimizer = build_optimizer(model, config)
    reset_peak()
    draw = torch.Generator().manual_seed(0)
    ids = torch.randint(0, 8000, (batch, num_tokens + 1), generator=draw)
    places = torch.arange(num_tokens).expand(batch, -1)
    seconds: list[float] = []
    loss = torch.zeros(())
    for _ in range(num_steps):
        started = time.monotonic()
        embeddings = model.language.embed(ids[:, :-1])
        hidden = model.language(embeddings, position_ids=places)
        logits = model.language.head(hidden)
        loss = functional.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten())
        del logits, hidden
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        seconds.append(time.monotonic() - started)
    tensors = [*model.parameters(), *model.buffers()]
    return {
        "weights": sum(each.nbytes for each in tensors) / 1e6,
        "peak": held_mb("VmHWM") - before,
        "seconds": min(seconds),
        "loss": float(loss),
    }


def build() -> Any:
    """A model of medium size."""
    from triptych.connector import MergerConfig
    from triptych.fusion.vlm import VLMConfig
    from triptych.language import DecoderConfig
    from triptych.vision import ViTConfig

    vision = ViTConfig(image_size=224, patch_size=16, dim=384, depth=12, num_heads=6, ffn_dim=1536)
    language = DecoderConfig(
        vocab_size=8000,
        dim=768,
        depth=16,
        num_heads=12,
        num_kv_heads=4,
        ffn_dim=2048,
        tied=True,
    )
    return VLMConfig(vision=vision, connector=MergerConfig(), language=language).build()


def held_mb(what: str) -> float:
    """What the process holds now, or held at most."""
    lines = Path("/proc/self/status").read_text().splitlines()
    [line] = [line for line in lines if line.startswith(what)]
    return int(line.split()[1]) / 1e3


def reset_peak() -> None:
    """Forget what making the model took."""
    Path("/proc/self/clear_refs").write_text("5")


if __name__ == "__main__":
    main()
