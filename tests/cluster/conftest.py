"""What the tests of the test machinery need."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.minio import minio

__all__ = ["minio"]
