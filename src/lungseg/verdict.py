"""Whether a reader should look, and the only tables of what can speak against a mask."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from lungseg.errors import (
    InputError,
    ModelError,
    OutputError,
    TimedOutError,
    TooLargeError,
    UnsupportedError,
    UsageError,
)
from lungseg.modality import Modality

Status = Literal["ok", "review", "refused"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a reader should look.

    Attributes:
        status: "ok"; "review" where at least one reason speaks against trusting the mask unseen;
            "refused" where the input is not what the package is for, so that its mask, if there is
            one, means nothing.
        codes: of the reasons, from `REASONS`; for a machine.
        reasons: their sentences, for a person.
    """

    status: Status
    codes: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reason:
    """What can speak against a mask.

    Attributes:
        code: in snake_case; stays as it is.
        sentence: for a person.
        refuses: whether the input is refused for it; otherwise it is sent to review.
    """

    code: str
    sentence: str
    refuses: bool = False


REASONS: Final[Mapping[Modality, tuple[Reason, ...]]] = {
    "radiograph": (
        Reason(
            "not_frontal",
            "this is no frontal chest radiograph, as far as the mask and the picture show",
            refuses=True,
        ),
        Reason(
            "no_lung",
            "no lung was found: this may be no frontal chest radiograph",
            refuses=True,
        ),
        Reason("doubtful_view", "this may be no frontal chest radiograph"),
        Reason("ct_slice", "this looks like a slice of CT, not like a radiograph"),
        Reason(
            "truncated",
            "the lower part of the image is one even grey, as where a file was cut short or "
            "damaged",
        ),
        Reason(
            "rotated",
            "the image lies on its side or upside down: the lungs were found after rotating it",
        ),
        Reason(
            "side_mismatch",
            "the picture speaks against what its header says of right and left: they may be "
            "exchanged, or the organs lie mirrored",
        ),
        Reason("one_lung", "only one lung was found"),
        Reason("small", "the lungs cover unusually little of the image"),
        Reason("large", "the lungs cover unusually much of the image"),
        Reason("asymmetric", "one lung is much larger than the other"),
        Reason("cut_off", "a lung reaches the edge of the image and may be cut off"),
        Reason("uncertain", "the network is unsure of this mask"),
    ),
    "ct": (
        Reason("no_lung", "no lungs were found: this may be no CT of a chest", refuses=True),
        Reason(
            "no_lung_in_slice",
            "no lungs were found in this slice: it may lie above or below them, or be no CT of a "
            "chest",
        ),
        Reason(
            "no_chest",
            "what was found does not look like lungs: this may be no CT of a chest",
            refuses=True,
        ),
        Reason("one_lung", "only one lung was found"),
        Reason(
            "cut_off_above",
            "the lungs are cut off at the top of the volume, so their volume is only that of the "
            "part that was scanned",
        ),
        Reason(
            "cut_off_below",
            "the lungs are cut off at the bottom of the volume, so their volume is only that of "
            "the part that was scanned",
        ),
        Reason("cut_off_side", "a lung reaches the edge of the slices and may be cut off"),
        Reason("slices_missing", "slices are missing, so sizes are estimates"),
        Reason(
            "slices_uneven",
            "slices are not evenly spaced: each counts with the space that it stands for, and "
            "files have the nearest ones on an even grid",
        ),
        Reason(
            "slices_disordered",
            "the lungs grow and shrink from slice to slice as no lungs do: slices may be in the "
            "wrong order, or of different scans",
        ),
        Reason(
            "odd_proportions",
            "the lungs are unusually high or low for their width, as where the spacing is wrong",
        ),
        Reason(
            "spacing_unknown",
            "the spacing that is stated is not to be believed, so sizes are in voxels",
        ),
        Reason(
            "spacing_contradictory",
            "two spacings that disagree are stated, so what is in millimetres may be wrong",
        ),
        Reason("small", "the lungs are unusually small"),
        Reason("large", "the lungs are unusually large"),
        Reason(
            "asymmetric",
            "one lung is much larger than the other, of which a part may be missing or opaque",
        ),
        Reason(
            "opaque",
            "a large part of a lung holds no air, and where it meets the chest wall its border is "
            "uncertain",
        ),
        Reason(
            "pneumothorax",
            "pure air beside the chest wall counts as lung: this may be a pneumothorax",
        ),
        Reason(
            "implausible_density",
            "densities are implausible: the values may be no Hounsfield units, or what was found "
            "no lungs",
        ),
        Reason(
            "assumed_order",
            "no slice says where it lies, so that their order was taken from numbers or names",
        ),
        Reason(
            "not_hounsfield",
            "the values of the volume are no Hounsfield units, so no densities are measured",
        ),
        Reason(
            "orientation_mismatch",
            "the lungs do not lie as the orientation says, so right and left may be swapped",
        ),
        Reason(
            "orientation_assumed",
            "the orientation is that in which it looks like a chest, so right and left may be "
            "swapped",
        ),
        Reason(
            "cut_out",
            "all but a part of it is blank: what is not blank was taken for the lungs",
        ),
        Reason("uncertain", "the network is unsure of this mask"),
    ),
}
"""Every reason there is, of each modality in the order in which they are given.
`docs/verdicts.md` and `docs/verdicts_ct.md` say more of each."""

FAILURES: Final[Mapping[type[BaseException], str]] = {
    UnsupportedError: "unsupported",
    TooLargeError: "too_large",
    InputError: "unreadable",
    ModelError: "model_error",
    OutputError: "output_error",
    TimedOutError: "timed_out",
    UsageError: "usage_error",
    MemoryError: "out_of_memory",
    BaseException: "unexpected",
}
"""The code of an input that failed, by the first of these errors that it failed with."""


WHY_LEFT_OUT: Final[Mapping[str, str]] = {
    "no_image": "by its name, or its first bytes",
    "thumbnail": "by its name, a small copy of another picture",
    "archive": "archives are read where they are named themselves",
    "localizer": "neither a slice of CT nor a radiograph",
    "other_modality": "lungs are found in radiographs and CT alone",
    "no_pixels": "a report, a document, a presentation state or the like, without pixels",
    "secondary_capture": "beside CT, taken for a screenshot or a table",
    "not_listed": "the DICOMDIR that was named does not list it",
}
"""Why a file that was found in a folder or archive is no input, by the code in its record."""


def verdict_of(modality: Modality, evidence: Mapping[str, bool]) -> Verdict:
    """The verdict that follows from what speaks against a mask.

    Args:
        modality: which of the tables in `REASONS` the codes are from.
        evidence: whether a reason holds, by its code; one that is absent does not.

    Raises:
        ValueError: a code is not in the table.
    """
    known = {reason.code for reason in REASONS[modality]}
    if unknown := sorted(evidence.keys() - known):
        raise ValueError(f"no reason of a {modality} has the code {', '.join(unknown)}")
    reasons = [reason for reason in REASONS[modality] if evidence.get(reason.code)]
    status: Status = "review" if reasons else "ok"
    return Verdict(
        "refused" if any(reason.refuses for reason in reasons) else status,
        tuple(reason.code for reason in reasons),
        tuple(reason.sentence for reason in reasons),
    )


def failure_code(error: BaseException) -> str:
    """The code of an input that failed with this error."""
    return next(code for kind, code in FAILURES.items() if isinstance(error, kind))
