"""Random changes of training samples: parameters are sampled first and applied second."""

from typing import Any

from numpy.typing import NDArray

Array = NDArray[Any]
Float = Array
"""float32, but OpenCV's types do not tell."""
