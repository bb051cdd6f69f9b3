"""What was learned of the signs of good and bad masks of CT. It lies beside the model it was
learned for, as a small file of numbers.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lungseg.errors import ModelError
from lungseg.quality.features import Signs
from lungseg.quality.model import Calibration, ExpectedDice, Line, as_tuples, write_rounded


@dataclass(frozen=True, slots=True)
class LearnedVolume:
    """What was learned for one model; `python benchmarks/judge_ct.py --fit` learns it again.

    Attributes:
        model: SHA-256 of the model's file.
        dice: a score of the mask, from the signs of both looks; of a volume from their means over
            slices.
        slices: what the score of a single slice is worth.
        volumes: what the score of a volume is worth.
        uncertain: below this expected Dice a reader should look.
    """

    model: str
    dice: Line
    slices: Calibration
    volumes: Calibration
    uncertain: float

    def expected_dice(self, signs: Signs, *, single: bool) -> ExpectedDice:
        """Of a mask with these signs, of both looks; `single` says that it is of one slice only."""
        return (self.slices if single else self.volumes)(self.dice(signs))

    def write(self, path: Path) -> None:
        """Writes it, numbers with five digits."""
        write_rounded(asdict(self), path)

    @staticmethod
    def read(path: Path) -> LearnedVolume:
        """What `write` wrote.

        Raises:
            ModelError: it cannot be read, or is something else.
        """
        try:
            entries = json.loads(path.read_text(encoding="utf-8"))
            parts = {name: kind(**as_tuples(entries.pop(name))) for name, kind in _PARTS.items()}
            learned = LearnedVolume(**entries, **parts)
            for single in (True, False):
                learned.expected_dice(
                    {}, single=single
                )  # what cannot be computed of no signs cannot be of any
            return learned
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            cure = "write it again with `python benchmarks/judge_ct.py --fit`, or delete it"
            raise ModelError(
                f"what was learned to judge this model's masks cannot be read ({error})",
                where=path,
                cure=cure,
            ) from error


_PARTS: dict[str, Any] = {"dice": Line, "slices": Calibration, "volumes": Calibration}
