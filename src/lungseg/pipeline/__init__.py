"""The roads from a source to a result, and the only place that knows the order of their steps."""

from __future__ import annotations

from lungseg.pipeline.radiograph import RadiographSegmenter
from lungseg.pipeline.segmenter import KINDS, Kind, Segmenter, Source, segment, taken_for
from lungseg.pipeline.volume import VolumeSegmenter

__all__ = ["KINDS", "Kind", "RadiographSegmenter", "Segmenter", "Source", "VolumeSegmenter", "segment", "taken_for"]
