"""Damages of DICOM files that once ended the whole process, or brought the file's own text into an
error."""

from __future__ import annotations

import cv2
import numpy as np
import pydicom
import pytest
from pydicom.encaps import encapsulate
from pydicom.uid import JPEGBaseline8Bit

from lungseg.errors import UnreadableError, UnsupportedError
from lungseg.readers import read_image


def test_odd_version_of_jfif_in_colour(write_dicom, film):
    path = write_dicom(np.dstack([film] * 3), PhotometricInterpretation="YBR_FULL_422")
    dataset = pydicom.dcmread(path)
    coded = cv2.imencode(".jpg", np.dstack([film] * 3))[1].tobytes()
    dataset.PixelData = encapsulate([coded.replace(b"JFIF\0\1", b"JFIF\0\3", 1)])
    dataset["PixelData"].is_undefined_length = True
    dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    dataset.save_as(path)
    with pytest.raises(UnreadableError, match="damaged, truncated, or do not fit the header"):
        read_image(path)


def test_a_kind_that_is_no_uid_stays_out_of_the_error(write_dicom, film):
    path = write_dicom(film, Modality=None, SOPClassUID="1.2.840.10008.5.1.4.1.1.2.1.2.3.4.5")
    path.write_bytes(path.read_bytes().replace(b"1.1.2.1.2.3.4.5", b"1.1.2.Secret^Na"))
    with pytest.raises(
        UnsupportedError, match="the DICOM file is of an unknown kind, and no radiograph"
    ):
        read_image(path)


def test_a_transfer_syntax_that_is_no_uid_stays_out_of_the_error(write_dicom, film):
    path = write_dicom(film)
    path.write_bytes(path.read_bytes().replace(b"1.2.840.10008.1.2.1\0", b"Secret^Name".ljust(20)))
    with pytest.raises(
        UnsupportedError,
        match="its pixels are compressed in an unknown way, which is not read; convert it",
    ):
        read_image(path)
