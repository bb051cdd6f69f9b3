"""Where an image comes from: its file and format, and of DICOM the study it belongs to."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum


class Format(Enum):
    """What an input came as; the value is how it is called for a person."""

    ARRAY = "array"
    NIBABEL = "nibabel image"
    SIMPLEITK = "SimpleITK image"
    PILLOW = "Pillow image"
    PNG = "PNG"
    JPEG = "JPEG"
    TIFF = "TIFF"
    BMP = "BMP"
    GIF = "GIF"
    WEBP = "WebP"
    AVIF = "AVIF"
    HEIC = "HEIC"
    JSRT = "JSRT"
    DICOM = "DICOM"
    DICOM_SERIES = "DICOM series"
    NIFTI = "NIfTI"
    NRRD = "NRRD"
    METAIMAGE = "MetaImage"

    @property
    def is_picture(self) -> bool:
        """Whether such a file tells neither CT nor radiograph but by its pixels."""
        return self in _PICTURES

    @property
    def is_volume(self) -> bool:
        """Whether such a file holds a volume, or is the header of one."""
        return self in _VOLUMES

    @property
    def is_dicom(self) -> bool:
        """Whether it is DICOM, one file or a series."""
        return self in (Format.DICOM, Format.DICOM_SERIES)


_PICTURES = (
    Format.PNG,
    Format.JPEG,
    Format.TIFF,
    Format.BMP,
    Format.GIF,
    Format.WEBP,
    Format.AVIF,
    Format.HEIC,
)
_VOLUMES = (Format.NIFTI, Format.NRRD, Format.METAIMAGE)
FILE_FORMATS = (
    *(form for form in _PICTURES if form is not Format.HEIC),
    *(Format.JSRT, Format.DICOM, *_VOLUMES),
)
"""What a single file can be everywhere; the first bytes tell which, and of JSRT the size. HEIC is
read where pillow-heif is installed."""


@dataclass(frozen=True, slots=True, repr=False)
class Patient:
    """Who was imaged, as DICOM's header says; empty where it does not. Shown to nobody unasked: it
    has no repr, and no place in a record.

    Attributes:
        name: PatientName.
        id: PatientID.
        birth_date: PatientBirthDate.
        accession_number: AccessionNumber.
        study_id: StudyID.
        study_date: StudyDate.
    """

    name: str = ""
    id: str = ""
    birth_date: str = ""
    accession_number: str = ""
    study_id: str = ""
    study_date: str = ""


@dataclass(frozen=True, slots=True)
class Device:
    """What took the image, as DICOM's header says; empty where it does not.

    Attributes:
        manufacturer: Manufacturer.
        model: ManufacturerModelName.
        station: StationName.
        software: SoftwareVersions.
    """

    manufacturer: str = ""
    model: str = ""
    station: str = ""
    software: str = ""


@dataclass(frozen=True, slots=True)
class Provenance:
    r"""Where an image or a volume comes from; it travels with it.

    Attributes:
        source: the file's or folder's path, or what stands for it, such as "array".
        format: what the pixels came as.
        sha256: of the file's bytes (of all files of a series, in slice order; of the pixels alone
            for an array or a data set), in hexadecimal.
        transfer_syntax: UID, of a series that of the first slice; of DICOM only, as all below.
        study_uid: StudyInstanceUID.
        series_uid: SeriesInstanceUID.
        instance_uids: SOPInstanceUID of each slice that was used, in the order of the array.
        frame_numbers: of each slice, counted from 1; empty where files have one frame each.
        slice_positions: ImagePositionPatient of each slice, in the order of the array, LPS
            millimetres; empty where they are not stated.
        frame_of_reference_uid: FrameOfReferenceUID.
        stated_modality: Modality, such as "CT", "CR" or "DX".
        presentation_intent: PresentationIntentType, such as "FOR PROCESSING".
        patient_orientation: PatientOrientation, such as "L\F": towards what of the patient rows
            run to the right, and columns down.
        horizontal_flip: FieldOfViewHorizontalFlip, "YES" or "NO".
        laterality: ImageLaterality, else Laterality, such as "R".
        device: what took it.
        acquired: AcquisitionDateTime, or date and time, as they stand in the header.
        patient: kept apart, so that nothing writes it unless asked.
    """

    source: str = "array"
    format: Format = Format.ARRAY
    sha256: str = ""
    transfer_syntax: str = ""
    study_uid: str = ""
    series_uid: str = ""
    instance_uids: tuple[str, ...] = ()
    frame_numbers: tuple[int, ...] = ()
    slice_positions: tuple[tuple[float, float, float], ...] = ()
    frame_of_reference_uid: str = ""
    stated_modality: str = ""
    presentation_intent: str = ""
    patient_orientation: str = ""
    horizontal_flip: str = ""
    laterality: str = ""
    device: Device = field(default_factory=Device)
    acquired: str = ""
    patient: Patient = field(default_factory=Patient, repr=False)
