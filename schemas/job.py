"""The job file: what to annotate, with which model, by which tasks, to where.

Paths and credentials never enter a row's fingerprint; see `schemas.fingerprint`.
Credentials never enter the job file at all: they come from the standard AWS chain.
"""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    field_validator,
    model_validator,
)

from schemas.hosts import HostPattern

URI_SCHEMES = ("s3",)


def check_uri(value: str) -> str:
    """Accept ``s3://bucket[/prefix]`` or a local path; raise ValueError otherwise."""
    if not value.strip():
        raise ValueError("expected s3://bucket/prefix or a local path, not an empty string")
    if "://" not in value:
        return value
    scheme, _, rest = value.partition("://")
    if scheme not in URI_SCHEMES:
        raise ValueError(
            f"expected s3://bucket/prefix or a local path; the scheme {scheme!r} is not known"
        )
    if not rest.partition("/")[0]:
        raise ValueError("expected s3://bucket/prefix; the bucket's name is missing")
    return value


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


def _listed(value: Any) -> Any:
    """One text where a list of texts is expected is a list of one."""
    return (value,) if isinstance(value, str) else value


class ManifestSpec(_Section):
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

    _lists = field_validator("uris", "media", "carry", mode="before")(_listed)

    @field_validator("uris")
    @classmethod
    def _uris_are_known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(check_uri(uri) for uri in value)

    @field_validator("base")
    @classmethod
    def _base_is_known(cls, value: str | None) -> str | None:
        web = value is not None and value.lower().startswith(("http://", "https://"))
        return value if value is None or web else check_uri(value)


class ShardsSpec(_Section):
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

    _lists = field_validator("uris", "media", "carry", mode="before")(_listed)

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


class InputSpec(_Section):
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
    manifest: ManifestSpec | None = Field(
        default=None, description="A table that lists the items, in place of uris."
    )
    shards: ShardsSpec | None = Field(
        default=None, description="Tar archives that hold the items, in place of uris."
    )

    _lists = field_validator("uris", mode="before")(_listed)

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
        return self

    @property
    def addresses(self) -> tuple[str, ...]:
        """What is read to find the items."""
        listed = self.manifest or self.shards
        return self.uris if listed is None else listed.uris


class HttpSpec(_Section):
    """Web servers that a manifest's media may come from; no others are asked."""

    hosts: Annotated[tuple[str, ...], Field(min_length=1)] = Field(
        description="Exact hosts, or *.suffix for every name below it, each with an optional "
        ":port; without one the scheme's own."
    )
    private_networks: tuple[str, ...] = Field(
        default=(),
        description="Networks like 10.0.0.0/8 that may be reached although not public.",
    )

    _lists = field_validator("hosts", "private_networks", mode="before")(_listed)

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


class StorageSpec(_Section):
    """How object storage is reached. Credentials come from the standard AWS chain."""

    endpoint_url: str | None = Field(
        default=None, description="For MinIO, Ceph and the like; none means AWS itself."
    )
    region: str | None = None
    path_style: bool = Field(
        default=False, description="Put the bucket into the path instead of the host name."
    )
    timeout_s: PositiveFloat = Field(
        default=120.0,
        description="How long one read or write is retried before storage counts as down.",
    )
    http: HttpSpec | None = Field(
        default=None, description="Media over HTTP(S), for manifests only; none means off."
    )

    @field_validator("endpoint_url")
    @classmethod
    def _endpoint_is_http(cls, value: str | None) -> str | None:
        if value is None:
            return None
        scheme, separator, host = value.partition("://")
        if scheme not in ("http", "https") or not separator or not host:
            raise ValueError("expected http://host[:port] or https://host[:port]")
        if "@" in host.partition("/")[0]:
            raise ValueError("expected no user name or password in the address")
        return value


class ModelSpec(_Section):
    """Which model annotates."""

    path: str = Field(
        default="openbmb/MiniCPM-V-2_6",
        description="A local folder, or a model id on the Hugging Face hub.",
    )
    family: str | None = Field(
        default=None,
        description="One of `tagline models`; by default read from the checkpoint's config.",
    )
    revision: str | None = Field(default=None, description="Hub revision; pin it.")
    dtype: Literal["auto", "bfloat16", "float16", "float32"] = "auto"
    quantization: str | None = None
    download: bool = Field(
        default=False,
        description="Allow fetching the model from the hub; otherwise it must be on disk.",
    )
    max_model_len: PositiveInt | None = Field(
        default=None, description="Longest prompt plus answer, in tokens."
    )
    seed: NonNegativeInt = 0
    engine_args: dict[str, Any] = Field(
        default_factory=dict, description="Passed to vLLM's AsyncEngineArgs as they are."
    )


class TaskSpec(BaseModel):
    """One task and its options; the options are checked by the task itself."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    task: str
    name: str
    options: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _from_shorthand(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"task": value, "name": value, "options": {}}
        if isinstance(value, dict) and "task" in value and "options" not in value:
            options = {k: v for k, v in value.items() if k not in ("task", "name")}
            name = value.get("name", value["task"])
            return {"task": value["task"], "name": name, "options": options}
        return value


MAX_WINDOWS = 576
"""What a tree of two levels with 24 branches holds."""


class VideoSampling(_Section):
    """Which frames of a video the model sees."""

    policy: Literal["uniform", "fps", "keyframes"] = "uniform"
    max_frames: Annotated[int, Field(ge=1, le=1024)] = 32
    fps: PositiveFloat = Field(default=1.0, description="Frames a second; policy fps only.")
    max_windows: Annotated[int, Field(ge=1, le=MAX_WINDOWS)] = Field(
        default=64,
        description="video_summary cuts a video from which the policies fps and keyframes want "
        "more than max_frames into this many windows of max_frames, at most; the frames are "
        "thinned evenly if it would be more. 1 cuts nothing.",
    )
    subtitles: bool = Field(
        default=True,
        description="Show the model what is said: the video's own text subtitles, or those "
        "of an .srt or .vtt file beside it.",
    )


class SeveralImages(_Section):
    """What becomes of an item's images when there are many, or one is broken."""

    max: Annotated[int, Field(ge=1, le=64)] = Field(
        default=8, description="Most images of one item that the model sees."
    )
    pick: Literal["first", "spread"] = Field(
        default="first", description="Which of more than that: the first, or evenly spread."
    )
    broken: Literal["fail", "leave_out"] = Field(
        default="fail",
        description="An image that cannot be had fails the item, or is left out and named "
        "in the row's `left_out`.",
    )


class MediaSpec(_Section):
    """How media are decoded."""

    max_pixels: Annotated[int, Field(ge=28 * 28)] | None = Field(
        default=None,
        description="Larger images are shrunk to this many pixels; by default to the "
        "most the model can use.",
    )
    max_frame_pixels: Annotated[int, Field(ge=28 * 28)] | None = Field(
        default=None, description="The same for each frame of a video."
    )
    max_file_bytes: PositiveInt = Field(
        default=4 * 1024**3, description="Larger files fail as too_large."
    )
    max_source_pixels: PositiveInt = Field(
        default=300_000_000, description="Images that claim more pixels fail as too_large."
    )
    timeout_s: PositiveFloat = Field(default=300.0, description="Decode time of one item.")
    video: VideoSampling = VideoSampling()
    images: SeveralImages = SeveralImages()


class FailureSpec(_Section):
    """How much may fail."""

    budget: Annotated[int, Field(ge=0)] | Annotated[float, Field(ge=0, le=1)] = Field(
        default=0.1,
        description="Past this many failed items (a whole number) or this fraction of all "
        "(with a point: 0.1) the job stops with exit code 1.",
    )
    min_sample: PositiveInt = Field(
        default=50, description="A fraction is judged only after this many items."
    )
    attempts: Annotated[int, Field(ge=1, le=10)] = Field(
        default=3, description="Runs that try an item whose failure may pass."
    )


class ResourceSpec(_Section):
    """What of the machine or cluster is used."""

    ray_address: str | None = Field(
        default=None,
        description="Address of a Ray cluster, or auto; none starts Ray on this machine.",
    )
    decode_workers: PositiveInt | None = Field(
        default=None, description="Decode processes, one CPU each; by default all free CPUs."
    )
    engine_replicas: PositiveInt = 1
    gpus_per_replica: NonNegativeInt | None = Field(
        default=None,
        description="GPUs an engine runs on (tensor parallel); by default 1, or 0 where "
        "vLLM's build for CPUs is installed.",
    )
    cpus_per_replica: PositiveFloat = 1.0
    requests_in_flight: PositiveInt = Field(
        default=64, description="Items that each engine holds at once."
    )
    object_store_gib: PositiveFloat | None = None


class OutputSpec(_Section):
    """Where the tables go."""

    uri: str
    commit_every_s: PositiveFloat = 60.0
    commit_every_rows: PositiveInt = 20_000

    @field_validator("uri")
    @classmethod
    def _uri_is_known(cls, value: str) -> str:
        return check_uri(value)


class JobSpec(_Section):
    """A whole job, as read from a job file.

    The shortest one that works::

        input: s3://shop/photos/
        model: openbmb/MiniCPM-V-2_6
        tasks: [caption]
        output: s3://shop/annotations/
    """

    name: str = Field(default="job", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
    input: InputSpec
    storage: StorageSpec = StorageSpec()
    model: ModelSpec = ModelSpec()
    tasks: Annotated[tuple[TaskSpec, ...], Field(min_length=1)]
    media: MediaSpec = MediaSpec()
    output: OutputSpec
    failures: FailureSpec = FailureSpec()
    resources: ResourceSpec = ResourceSpec()

    @field_validator("input", mode="before")
    @classmethod
    def _input_shorthand(cls, value: Any) -> Any:
        return {"uris": value} if isinstance(value, str | list | tuple) else value

    @field_validator("model", mode="before")
    @classmethod
    def _model_shorthand(cls, value: Any) -> Any:
        return {"path": value} if isinstance(value, str) else value

    @field_validator("output", mode="before")
    @classmethod
    def _output_shorthand(cls, value: Any) -> Any:
        return {"uri": value} if isinstance(value, str) else value

    @field_validator("tasks")
    @classmethod
    def _names_differ(cls, value: tuple[TaskSpec, ...]) -> tuple[TaskSpec, ...]:
        names = [spec.name for spec in value]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(
                f"expected a different name for each task; {', '.join(twice)} is used twice "
                "(give one a `name:`)"
            )
        return value

    @model_validator(mode="after")
    def _http_is_allowed(self) -> JobSpec:
        manifest = self.input.manifest
        base = (manifest and manifest.base) or ""
        if base.lower().startswith(("http://", "https://")) and self.storage.http is None:
            raise ValueError(
                f"expected storage.http.hosts to list the host of input.manifest.base ({base})"
            )
        return self


def join_uri(base: str, *parts: str) -> str:
    """Join a URI or local path with further parts by single slashes."""
    if "://" in base:
        return "/".join([base.rstrip("/"), *(part.strip("/") for part in parts)])
    return str(PurePosixPath(base, *parts))
