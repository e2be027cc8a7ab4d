"""The sections of `on_gpu.py`; each fills a dictionary with what it has found."""
