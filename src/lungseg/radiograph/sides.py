"""Which lung is the right one: what a DICOM header says of it, held against the picture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import numpy as np

from lungseg.provenance import Provenance
from lungseg.radiograph.inference import ForwardPass
from lungseg.radiograph.orientation import (
    AS_USUAL,
    MIRRORED,
    WRONG_SIDE,
    View,
    heart_log_odds,
    stated_view,
)
from lungseg.structures import LUNGS

Passes = Callable[[View], ForwardPass]
"""The forward passes over a picture, brought to a view."""

SIDES: Final = {"R": LUNGS[0], "L": LUNGS[1]}
"""What ImageLaterality calls the lungs; "U" and "B" name none."""


def with_stated_sides(passes: Passes, header: Provenance) -> ForwardPass:
    """The passes over a picture in the view that its header states, or as films hang.

    PatientOrientation is followed. Where the heart clearly lies on the other side than it says, or
    the chest does not lie in the picture as it says, that is noted as a mismatch; in the second
    case it is left out. FieldOfViewHorizontalFlip alone does not tell from which side the picture
    is seen, and is followed where the heart agrees. ImageLaterality names the lung of a picture
    that shows one.

    Args:
        passes: over the picture.
        header: of the picture.
    """
    stated = stated_view(header.patient_orientation)
    found = passes(stated or AS_USUAL)
    if stated is not None:
        found = _held_against(found, stated, passes, header)
    elif header.horizontal_flip == "YES" and heart_log_odds(found.labels) < WRONG_SIDE:
        said = (
            "the header says that the picture was flipped, and it shows the heart on its right: "
            "the patient's right is taken to be on the right"
        )
        found = replace(passes(MIRRORED), remarks=(said,))
    return _with_laterality(found, header)


def _held_against(
    found: ForwardPass, stated: View, passes: Passes, header: Provenance
) -> ForwardPass:
    """What was found in the view that the header states; in the usual one, where the chest lies
    otherwise.
    """
    if stated != AS_USUAL and found.quarter_turns != stated.quarter_turns:
        said = f"PatientOrientation {header.patient_orientation} does not fit, and was left out"
        return replace(passes(AS_USUAL), wrong_side=True, remarks=(said,))
    remarks = ("right and left are those of the header",) if stated.mirrored else ()
    wrong = heart_log_odds(found.labels) < WRONG_SIDE
    return replace(found, stated=stated, wrong_side=wrong, remarks=remarks)


def _with_laterality(found: ForwardPass, header: Provenance) -> ForwardPass:
    """The same, the only lung being the one that the header names."""
    named = SIDES.get(header.laterality)
    numbers = [lung.number for lung in LUNGS if np.any(found.labels == lung.number)]
    if named is None or len(numbers) != 1 or numbers == [named.number]:
        return found
    said = f"the header says that the only lung is the {named.name}"
    exchanged = found.channels[list(found.card.mirrored_channels)]
    return replace(found, channels=exchanged, remarks=(*found.remarks, said))
