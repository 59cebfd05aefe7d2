"""Where the tape is kept: a volume or an S3 bucket, in one format for its whole life. Pure."""

from decimal import Decimal
from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field

from perptape_api.durations import Every
from perptape_api.model import Form, Model, Rule, Transition
from perptape_api.venues import Credentials, Endpoint, ObjectName

DEFAULT_SIZE: Final = "10Gi"
SUFFIXES: Final = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "P": 10**15} | {
    "Ki": 2**10,
    "Mi": 2**20,
    "Gi": 2**30,
    "Ti": 2**40,
    "Pi": 2**50,
}
Size = Annotated[
    str,
    Form(
        r"[0-9]{1,12}(\.[0-9]{1,3})?(Ki|Mi|Gi|Ti|Pi|k|M|G|T|P)?", 18, "write a size with its unit, as in 10Gi, in quotes where it has none"
    ),
]
SEGMENT: Final = r"[A-Za-z0-9!_.*'()=-]*[A-Za-z0-9!_*'()=-]"  # not . nor .., which clients and proxies resolve

NEW_STORE: Final = "a new store is a new CollectionSpec"


def size_in_bytes(size: str) -> Decimal:
    """The bytes that a size like ``10Gi`` means."""
    number = size.rstrip("KMGTPik")
    return Decimal(number) * SUFFIXES[size[len(number) :]]


class Volume(Model):
    """A volume: an existing claim, or one made for this spec, which is kept when the spec goes."""

    claim_name: ObjectName | None = None
    """An existing claim in the same namespace. Leave size, storageClassName and accessMode out beside it."""
    size: Size | None = None
    """The size of the claim that is made; 10Gi when left out. It may only grow."""
    storage_class_name: ObjectName | None = None
    """The storage class of the claim that is made; the cluster's default when left out."""
    access_mode: Literal["ReadWriteOnce", "ReadWriteMany"] | None = None
    """The access mode of the claim that is made; ReadWriteOnce when left out, which keeps all pods of the store on one node."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "claimName takes a claim as it is: remove size, storageClassName and accessMode, or remove claimName",
            "!has(self.claimName) || !(has(self.size) || has(self.storageClassName) || has(self.accessMode))",
            lambda v: v.claim_name is None or (v.size, v.storage_class_name, v.access_mode) == (None, None, None),
        ),
        Rule(
            "size must be greater than zero",
            "!has(self.size) || quantity(self.size).isGreaterThan(quantity('0'))",
            lambda v: v.size is None or size_in_bytes(v.size) > 0,
        ),
    )
    transitions: ClassVar[tuple[Transition, ...]] = (
        Transition(
            f"the claim cannot be changed: {NEW_STORE}",
            "has(self.claimName) == has(oldSelf.claimName) && (!has(self.claimName) || self.claimName == oldSelf.claimName)",
        ),
        Transition(
            "size may only grow",
            f"quantity(has(self.size) ? self.size : '{DEFAULT_SIZE}').compareTo("
            f"quantity(has(oldSelf.size) ? oldSelf.size : '{DEFAULT_SIZE}')) >= 0",
        ),
    )


class S3(Model):
    """A bucket of any S3 server."""

    bucket: Annotated[
        str, Form(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", 63, "write the bucket's name alone: 3 to 63 lower-case letters, digits, '.' and '-'")
    ]
    """The bucket; it must exist."""
    prefix: Annotated[
        str,
        Form(
            f"({SEGMENT}(/{SEGMENT})*)?", 256, "write folder names joined by '/', with none at the beginning and the end, as in tapes/prod"
        ),
    ] = ""
    """The folder inside the bucket under which everything is written; left out, the bucket itself."""
    endpoint: Endpoint | None = None
    """The S3 server, http(s)://host or http(s)://host:port; AWS when left out."""
    region: Annotated[str, Form("[A-Za-z0-9][A-Za-z0-9_-]*", 64, "write a region's name, as in us-east-1")] | None = None
    """The region, where the server asks for one."""
    credentials: Credentials | None = None
    """A Secret with the keys AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, which are also the names in a laptop's environment."""

    transitions: ClassVar[tuple[Transition, ...]] = (
        Transition(f"bucket cannot be changed: {NEW_STORE}", "self.bucket == oldSelf.bucket"),
        Transition(f"prefix cannot be changed: {NEW_STORE}", "self.prefix == oldSelf.prefix"),
        Transition(
            f"endpoint cannot be changed: {NEW_STORE}",
            "has(self.endpoint) == has(oldSelf.endpoint) && (!has(self.endpoint) || self.endpoint == oldSelf.endpoint)",
        ),
    )


class Store(Model):
    """Where the tape is kept: exactly one of the two places."""

    persistent_volume_claim: Volume | None = None
    """A volume; `{}` asks for a new one of 10Gi."""
    s3: Annotated[S3 | None, Field(alias="s3")] = None
    """A bucket."""
    format: Literal["nautilus1", "nautilus2"] = "nautilus1"
    """Which NautilusTrader reads the data files as they are: 1.x or 2.x."""
    publish_every: Every | None = None
    """How often what was collected is folded into data files: 15m on a volume and 1h on S3 when left out. The library sees new rows
    before that."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "give exactly one of persistentVolumeClaim and s3",
            "has(self.persistentVolumeClaim) != has(self.s3)",
            lambda s: (s.persistent_volume_claim is None) != (s.s3 is None),
        ),
    )
    transitions: ClassVar[tuple[Transition, ...]] = (
        Transition(f"the place cannot change between a volume and S3: {NEW_STORE}", "has(self.s3) == has(oldSelf.s3)"),
        Transition(f"format cannot be changed: {NEW_STORE}", "self.format == oldSelf.format"),
    )

    @property
    def published_every(self) -> Every:
        """How often segments are folded: as given, else by the place."""
        if self.publish_every is not None:
            return self.publish_every
        return Every("15m") if self.s3 is None else Every("1h")
