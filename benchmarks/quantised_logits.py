"""How far the logits of quantised weights are from those of float32, at every position.

python benchmarks/quantised_logits.py --shape 2b --quantize int8 --threads 2 --keep

The same random weights twice, one model after the other; prompts about noisy pictures of 112 x 112
pixels. A case both hard and easy: random weights give logits that are nearly tied, but have none of
the loud channels of trained ones.
"""

import argparse
from typing import Any

import torch
from recording import add_options, record, table
from torch import Tensor
from torch.nn import functional
from twins import SHAPES, make_task, our_model_alone, shaped

from triptych.architectures import Architecture


def main() -> None:
    """Read the prompts with both models; print how alike their logits are."""
    arguments = _arguments()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    architecture = shaped(arguments.shape, arguments.blocks)
    exact = _logits(architecture, "", arguments.questions)
    coarse = _logits(architecture, arguments.quantize, arguments.questions)
    figures = _figures(exact, coarse)
    name = f"logits of {architecture.name} in {arguments.quantize} beside float32"
    record(arguments, name, figures, _text(figures))


@torch.inference_mode()
def _logits(architecture: Architecture, quantize: str, questions: int) -> Tensor:
    """Of every position of every prompt, one below the other."""
    model = our_model_alone(architecture, quantize, seed=0)
    tasks = [make_task(architecture, 112, 60 + seed, seed) for seed in range(questions)]
    read = [model(task.processor.collate([task.sample])) for task in tasks]
    return torch.cat([each.flatten(0, 1).float() for each in read])


def _figures(exact: Tensor, coarse: Tensor) -> dict[str, Any]:
    cosines = functional.cosine_similarity(exact, coarse, dim=-1)
    return {
        "positions": len(exact),
        "mean": float(cosines.mean()),
        "worst": float(cosines.min()),
        "as_one_vector": float(
            functional.cosine_similarity(exact.flatten(), coarse.flatten(), dim=0)
        ),
        "same_likeliest": float((exact.argmax(-1) == coarse.argmax(-1)).float().mean()),
    }


def _text(figures: dict[str, Any]) -> str:
    header = ["positions", "mean cosine", "worst", "as one vector", "same likeliest token"]
    row = [f"{figures[name]:.4f}" for name in ("mean", "worst", "as_one_vector")]
    return table(header, [[str(figures["positions"]), *row, f"{figures['same_likeliest']:.0%}"]])


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--shape", choices=SHAPES, default="2b")
    parser.add_argument("--blocks", type=int, help="of each panel, instead of all")
    parser.add_argument("--quantize", default="int8", help="as `triptych.load` takes it")
    parser.add_argument("--questions", type=int, default=3)
    parser.add_argument("--threads", type=int, default=0)
    add_options(parser)
    return parser.parse_args()


if __name__ == "__main__":
    main()
