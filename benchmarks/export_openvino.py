"""Run optimum's exporter where torchvision's own operators do not load.

OPTIMUM/bin/python benchmarks/export_openvino.py -m MODEL --weight-format int8 OUT

transformers wants torchvision for its processors of videos, whose package on PyPI does not load
beside a torch without CUDA. An export never calls the two operators that this declares.
"""

import sys

import torch


def main() -> None:
    """Hand over to `optimum-cli export openvino`."""
    library = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    from optimum.commands.optimum_cli import main as run

    sys.argv[1:1] = ["export", "openvino", "--task", "image-text-to-text"]
    run()


if __name__ == "__main__":
    main()
