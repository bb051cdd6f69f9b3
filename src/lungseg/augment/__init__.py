"""Random changes of training samples: parameters are sampled first and applied second."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lungseg.structures import Side

Array = NDArray[Any]
Float = Array
"""float32, but OpenCV's types do not tell."""

Lungs = Mapping[Side, NDArray[np.bool_]]
"""Where each lung is: (rows, columns)."""
