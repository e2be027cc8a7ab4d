"""Run llama.cpp's converter on a model whose tokenizer it does not know.

python benchmarks/convert_gguf.py SOURCES MODEL [options of convert_hf_to_gguf.py]

The converter tells by a fingerprint how a tokenizer divides text before merges; Triptych's own
divide as Qwen2's, and this says so.
"""

import runpy
import sys
from pathlib import Path


def main() -> None:
    """Hand over to the converter after naming the division."""
    sources = Path(sys.argv[1])
    sys.path[:0] = [str(sources / "gguf-py"), str(sources)]
    from conversion.base import TextModel

    TextModel.get_vocab_base_pre = _divides_as_qwen2
    TextModel._set_vocab_sentencepiece = _has_no_sentencepiece
    sys.argv = [str(sources / "convert_hf_to_gguf.py"), *sys.argv[2:]]
    runpy.run_path(sys.argv[0], run_name="__main__")


def _divides_as_qwen2(model: object, tokenizer: object) -> str:
    return "qwen2"


def _has_no_sentencepiece(model: object) -> None:
    """The converter looks for such a file first, with a package that may not be installed."""
    raise FileNotFoundError


if __name__ == "__main__":
    main()
