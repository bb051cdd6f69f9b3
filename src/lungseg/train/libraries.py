"""The libraries of the `train` extra, which are loaded here before anything that is made of them,
so that a sentence says which one is missing or broken, whoever imports it.
"""

from lungseg.installation import extra_error

try:
    import lightning
    import onnx
    import torch
except ImportError as error:
    raise extra_error(error, "training", "train") from error

__all__ = ["lightning", "onnx", "torch"]
