"""On a GPU: the engine, company, a training step and a resumed run, beside transformers.

python benchmarks/on_gpu.py --out gpu.json
python benchmarks/on_gpu.py --device cpu --shape debug --precision float32      to try it without

generate  one question about one picture, in turns: first token, tokens a second, highest memory
company   16 questions about 16 pictures at once: our engine beside their padded batch
train     forward and backward of `mini`, and of a few wide blocks, in bfloat16 by autocast
resume    12 steps in one go and with a stop after 6: are losses and weights equal to the last bit
agree     debug twins answer on the GPU as on the processor, and in float32 as transformers does
profile   what a token of either engine starts on the GPU, and how long that takes

It is for a machine that is lent for a minute or two. Every section stands alone, ends in time and
leaves what it has found, whatever becomes of it; the file is written anew after each.
"""

import argparse
import faulthandler
import json
import os
import time
import traceback
from collections.abc import Callable
from pathlib import Path

# Before CUDA starts: without it sums of matrices may differ from run to run.
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import torch
from gpu.agreeing import agree
from gpu.generating import company, generate_alone, profile
from gpu.resuming import resume
from gpu.stage import Found, Stage, within
from gpu.training import train
from twins import SHAPES

SECONDS = {"generate": 32, "company": 22, "train": 22, "resume": 24, "agree": 25, "profile": 15}
"""What a section may take, within what is left of all."""

SECTIONS: dict[str, Callable[[Stage, Found], None]] = {
    "generate": generate_alone,
    "company": company,
    "train": train,
    "resume": resume,
    "agree": agree,
    "profile": profile,
}


def main() -> None:
    """Run the sections that were asked for."""
    arguments = _arguments()
    # Where even a signal does not get through, what was found so far is on the disk.
    faulthandler.dump_traceback_later(arguments.budget + 25, exit=True)
    stage = Stage(arguments)
    report: Found = {"machine": _machine(arguments.device), "arguments": vars(arguments)}
    report["arguments"] = {name: str(value) for name, value in vars(arguments).items()}
    for name in arguments.sections:
        found: Found = {}
        report[name] = found
        _section(stage, name, found)
        line = json.dumps({name: found}, default=str)
        print(line, flush=True)
        if arguments.out is not None:
            arguments.out.write_text(json.dumps(report, indent=1, default=str) + "\n")


def _section(stage: Stage, name: str, found: Found) -> None:
    began = time.monotonic()
    seconds = min(SECONDS[name] * stage.arguments.patience, stage.left)
    try:
        if seconds < 3:
            raise TimeoutError("no time was left for it")
        with within(seconds):
            SECTIONS[name](stage, found)
    except Exception as error:
        traceback.print_exc(limit=-8)
        found["error"] = f"{type(error).__name__}: {error}"[:500]
    found["section_s"] = round(time.monotonic() - began, 2)
    try:
        stage.tidy()
    except Exception:
        traceback.print_exc(limit=-4)


def _machine(device: str) -> Found:
    found: Found = {"torch": torch.__version__, "device": device}
    try:
        import transformers

        found["transformers"] = transformers.__version__
        if device.startswith("cuda"):
            facts = torch.cuda.get_device_properties(0)
            found |= {"gpu": facts.name, "gpu_memory_gb": facts.total_memory / 1e9}
    except Exception as error:
        found["error"] = f"{type(error).__name__}: {error}"[:300]
    return found


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--shape", choices=SHAPES, default="2b")
    parser.add_argument("--precision", choices=("bfloat16", "float32"), default="bfloat16")
    parser.add_argument("--sections", nargs="+", choices=SECTIONS, default=list(SECTIONS))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--new-tokens", type=int, default=64)
    parser.add_argument("--budget", type=float, default=75.0, help="seconds of all sections")
    parser.add_argument(
        "--patience",
        type=float,
        default=1.0,
        help="times what a section may take, on slow machines",
    )
    parser.add_argument("--out", type=Path, help="file for all that was found")
    return parser.parse_args()


if __name__ == "__main__":
    main()
