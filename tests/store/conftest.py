"""Stores and small tapes for the tests of the catalog."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.minio import minio

__all__ = ["minio"]
