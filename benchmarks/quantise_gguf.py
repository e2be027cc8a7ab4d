"""Write a GGUF file in fewer bits; runs where llama-cpp-python is installed.

python benchmarks/quantise_gguf.py FROM TO q4_0
"""

import ctypes
import sys

import llama_cpp

KINDS = {"q4_0": llama_cpp.LLAMA_FTYPE_MOSTLY_Q4_0, "q8_0": llama_cpp.LLAMA_FTYPE_MOSTLY_Q8_0}


def main() -> None:
    """Do as the command line says."""
    source, target, kind = sys.argv[1:]
    parameters = llama_cpp.llama_model_quantize_default_params()
    parameters.ftype, parameters.nthread = KINDS[kind], 1
    code = llama_cpp.llama_model_quantize(
        source.encode(), target.encode(), ctypes.byref(parameters)
    )
    if code:
        raise SystemExit(f"llama.cpp cannot write {target}, code {code}")


if __name__ == "__main__":
    main()
