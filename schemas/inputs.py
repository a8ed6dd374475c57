"""The part of a job file that says where items come from."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from schemas.hosts import HostPattern
from schemas.section import Section, listed
from schemas.uris import check_uri


class ManifestSpec(Section):
    """A table that lists the items: Parquet, CSV or JSON Lines."""

    uris: Annotated[tuple[str, ...], Field(min_length=1)] = Field(
        description="s3://bucket/prefix, local folders or single files, ending in .parquet, "
        ".csv, .jsonl or .ndjson."
    )
    id: str = Field(default="id", description="Column of the item's id.")
    media: Annotated[tuple[str, ...], Field(min_length=1)] = Field(
        description="Column or columns of the media: an address, a list of addresses, the "
        "bytes themselves, or a struct of bytes and path; the last two in Parquet only."
    )
    kind: Literal["image", "images", "video"] | None = Field(
        default=None,
        description="What the items are; by default images where a row can hold several "
        "media, else by the suffix.",
    )
    base: str | None = Field(
        default=None, description="Where relative addresses in the media columns begin."
    )
    version: str | None = Field(
        default=None,
        description="Column that changes when the media behind the addresses do, such as an "
        "ETag or a date; without one only new addresses are noticed.",
    )
    subtitles: str | None = Field(
        default=None, description="Column of the address of a video's .srt or .vtt file."
    )
    carry: tuple[str, ...] = Field(
        default=(), description="Columns that go to the output's rows, in column `carried`."
    )

    _lists = field_validator("uris", "media", "carry", mode="before")(listed)

    @field_validator("uris")
    @classmethod
    def _uris_are_known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(check_uri(uri) for uri in value)

    @field_validator("base")
    @classmethod
    def _base_is_known(cls, value: str | None) -> str | None:
        web = value is not None and value.lower().startswith(("http://", "https://"))
        return value if value is None or web else check_uri(value)


class ShardsSpec(Section):
    """Tar archives of samples, as WebDataset writes them."""

    uris: Annotated[tuple[str, ...], Field(min_length=1)] = Field(
        description="s3://bucket/prefix, local folders or single files, ending in .tar."
    )
    kind: Literal["image", "images", "video"] | None = Field(
        default=None,
        description="What the items are; by default video where a sample has one, images "
        "where it has several, else image.",
    )
    media: tuple[str, ...] = Field(
        default=(),
        description="Extensions of the members that are media (jpg, left.png); by default "
        "those of all images and videos.",
    )
    id: str | None = Field(
        default=None,
        description="Field of the .json member that is the item's id; by default the id is "
        "the shard's address and the sample's key.",
    )
    carry: tuple[str, ...] = Field(
        default=(),
        description="Fields of the .json member (or txt, cls) that go to the output's rows, "
        "in column `carried`.",
    )

    _lists = field_validator("uris", "media", "carry", mode="before")(listed)

    @field_validator("uris")
    @classmethod
    def _uris_are_known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(check_uri(uri) for uri in value)

    @field_validator("media")
    @classmethod
    def _extensions_are_plain(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        extensions = tuple(extension.strip().lower().lstrip(".") for extension in value)
        if not all(extensions) or any("/" in extension for extension in extensions):
            raise ValueError("expected extensions such as jpg or left.png")
        return extensions


class InputSpec(Section):
    """Where the images and videos are: in folders, as a manifest lists them, or in shards."""

    uris: tuple[str, ...] = Field(
        default=(), description="s3://bucket/prefix, local folders or single files."
    )
    include: tuple[str, ...] = Field(
        default=(),
        description="Glob patterns on the path below the URI (** crosses folders); "
        "if given, only what matches one is taken.",
    )
    exclude: tuple[str, ...] = Field(
        default=(), description="Glob patterns; what matches one is left out."
    )
    animated: Literal["image", "video"] = Field(
        default="image",
        description="What .gif and .apng files are: images, of which the first frame is seen, "
        "or short videos. A name does not tell whether a .webp, .png or .avif is animated: "
        "these are images unless a manifest or shards say kind: video.",
    )
    manifest: ManifestSpec | None = Field(
        default=None, description="A table that lists the items, in place of uris."
    )
    shards: ShardsSpec | None = Field(
        default=None, description="Tar archives that hold the items, in place of uris."
    )

    _lists = field_validator("uris", mode="before")(listed)

    @field_validator("uris")
    @classmethod
    def _uris_are_known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(check_uri(uri) for uri in value)

    @model_validator(mode="after")
    def _exactly_one(self) -> InputSpec:
        given = (bool(self.uris), self.manifest is not None, self.shards is not None)
        if sum(given) != 1:
            raise ValueError(
                "expected exactly one of uris, manifest and shards, with at least one address"
            )
        if not self.uris and (self.include or self.exclude):
            raise ValueError("expected no include or exclude beside manifest or shards")
        if not self.uris and self.animated == "video":
            raise ValueError(
                "expected no animated beside manifest or shards; they have kind: video"
            )
        return self

    @property
    def addresses(self) -> tuple[str, ...]:
        """What is read to find the items."""
        listed = self.manifest or self.shards
        return self.uris if listed is None else listed.uris


class HttpSpec(Section):
    """Web servers that a manifest's media may come from; no others are asked."""

    hosts: Annotated[tuple[str, ...], Field(min_length=1)] = Field(
        description="Exact hosts, or *.suffix for every name below it, each with an optional "
        ":port; without one the scheme's own."
    )
    private_networks: tuple[str, ...] = Field(
        default=(),
        description="Networks like 10.0.0.0/8 that may be reached although not public.",
    )

    _lists = field_validator("hosts", "private_networks", mode="before")(listed)

    @field_validator("hosts")
    @classmethod
    def _hosts_are_hosts(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for host in value:
            try:
                HostPattern.parse(host)
            except ValueError as error:
                raise ValueError(f"{error}, not {host!r}") from error
        return value

    @field_validator("private_networks")
    @classmethod
    def _networks_are_networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for network in value:
            try:
                ip_network(network)
            except ValueError as error:
                raise ValueError(f"expected a network like 10.0.0.0/8; {error}") from error
        return value
