"""Keys out of mounted Secrets: each key of a Secret is a file in its folder, which the kubelet replaces when the Secret changes.

Secrets are mounted optionally, so that a missing one keeps no pod from starting: whoever needs a key says here which is missing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from perptape.errors import StoreError, UsageError

S3: Final = "s3"
S3_KEYS: Final = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
VENUE_KEYS: Final = ("apiKey", "apiSecret")
PASSPHRASE: Final = "passphrase"


class KeyMissing(StoreError):
    """A Secret lacks what the store needs."""

    reason = "StoreCredentials"


@dataclass(frozen=True, slots=True)
class S3Keys:
    """The store's keys, read at each call."""

    folder: Path

    def __call__(self) -> tuple[str, str]:
        """(key, secret). Raises KeyMissing."""
        found = read(self.folder, S3_KEYS)
        if missing := [name for name in S3_KEYS if name not in found]:
            raise KeyMissing(f"the Secret of spec.store.s3.credentials {_lacks(missing)}")
        return found[S3_KEYS[0]], found[S3_KEYS[1]]


def s3_keys(folder: str | None) -> S3Keys | None:
    """The reader of the store's keys below the folder of all Secrets; None where none is mounted for it."""
    return S3Keys(Path(folder, S3)) if folder is not None and Path(folder, S3).is_dir() else None


def of_venue(folder: str, venue: str) -> dict[str, str]:
    """The keys for a venue; none where no Secret is mounted for it. Raises UsageError for an incomplete one."""
    place = Path(folder, venue)
    if not place.is_dir():
        return {}
    found = read(place, (*VENUE_KEYS, PASSPHRASE))
    if missing := [name for name in VENUE_KEYS if name not in found]:
        raise UsageError(
            f"the Secret of {venue}'s credentials {_lacks(missing)}, or leave spec.venues[].credentials out: public data needs none"
        )
    return found


def read(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """What is there of the named files, without the line's end that an editor leaves; an empty file is none."""
    found = {}
    for name in names:
        try:
            text = (folder / name).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            continue
        if text:
            found[name] = text
    return found


def _lacks(missing: Iterable[str]) -> str:
    listed = " and ".join(missing)
    return f"is not there or lacks {listed}: make it in the namespace of the spec, with the key{'s' if ' and ' in listed else ''} {listed}"
