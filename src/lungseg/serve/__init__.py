"""A page and a REST interface for one machine: a bounded queue in front of worker processes, each
with the models loaded once.
"""

from __future__ import annotations
