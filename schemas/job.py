"""The job file: what to annotate, with which model, by which tasks, to where.

Paths and credentials never enter a row's fingerprint; see `schemas.fingerprint`.
Credentials never enter the job file at all: they come from the standard AWS chain.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    field_validator,
    model_validator,
)

from schemas.inputs import HttpSpec, InputSpec
from schemas.media import (
    IMAGE_FORMATS,
    MAX_DECODE_BYTES,
    VIDEO_CODECS,
    VIDEO_CONTAINERS,
    ImageFormat,
    VideoCodec,
    VideoContainer,
)
from schemas.sampling import VideoSampling
from schemas.section import Section, listed
from schemas.uris import check_uri


class StorageSpec(Section):
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


class ModelSpec(Section):
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


class SeveralImages(Section):
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


class MediaSpec(Section):
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
    max_decode_bytes: PositiveInt = Field(
        default=MAX_DECODE_BYTES,
        description="Media that would take more memory to decode, by an estimate from format, "
        "size and mode, fail as too_large. Baseline JPEGs take hardly any, as they are decoded "
        "at a reduced size; a pixel of PNG takes about 6 to 14 bytes, of WebP 18. Of videos in "
        "H.264 and HEVC 16 frames are counted, in AV1 and VP9 10.",
    )
    image_formats: Annotated[tuple[ImageFormat, ...], Field(min_length=1)] = Field(
        default=IMAGE_FORMATS,
        description="The image formats that are decoded, as the content says; others fail as "
        "format_not_allowed.",
    )
    video_containers: Annotated[tuple[VideoContainer, ...], Field(min_length=1)] = Field(
        default=VIDEO_CONTAINERS,
        description="The same for videos. flv and asf are known, too, but must be named.",
    )
    video_codecs: Annotated[tuple[VideoCodec, ...], Field(min_length=1)] = Field(
        default=VIDEO_CODECS,
        description="How videos may be coded; others fail as format_not_allowed. What editors "
        "write (dnxhd, dvvideo, ffv1, png, qtrle) and what is old (h263, flv1, wmv1, wmv2, "
        "msmpeg4) is known, too, but must be named.",
    )
    timeout_s: PositiveFloat = Field(default=300.0, description="Decode time of one item.")
    video: VideoSampling = VideoSampling()
    images: SeveralImages = SeveralImages()

    _lists = field_validator(
        "image_formats", "video_containers", "video_codecs", mode="before"
    )(listed)


class FailureSpec(Section):
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
        default=3,
        description="Runs that try an item whose failure may pass; and workers that one item "
        "may cost before it is left out as poison.",
    )


class DuplicateSpec(Section):
    """What becomes of items that show the very same."""

    exact: Literal["copy", "annotate"] = Field(
        default="copy",
        description="Files with the same content are annotated once, and the others get a copy "
        "of the row with `copied_from`; or each is annotated.",
    )
    near: Annotated[int, Field(ge=0, le=12)] | None = Field(
        default=None,
        description="Pictures whose perceptual hashes differ in at most so many of 64 bits and "
        "whose colours agree take one another's answer likewise; none compares no pictures. 4 "
        "finds nearly all that were encoded anew, and most that were scaled. It sees no small "
        "differences, such as those between pages of text.",
    )

    @model_validator(mode="after")
    def _near_includes_exact(self) -> DuplicateSpec:
        if self.near is not None and self.exact == "annotate":
            raise ValueError(
                "expected exact: copy beside near, which compares more than files of the same "
                "content; or no near"
            )
        return self


class ResourceSpec(Section):
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
    stop_grace_s: NonNegativeFloat = Field(
        default=30.0,
        description="After Ctrl-C or SIGTERM: seconds in which the model may finish what it is "
        "at, before the run commits and ends.",
    )


GonePolicy = Literal["keep", "mark", "delete"]


class OutputSpec(Section):
    """Where the tables go."""

    uri: str
    commit_every_s: PositiveFloat = 60.0
    commit_every_rows: PositiveInt = 20_000
    gone: GonePolicy = Field(
        default="keep",
        description="What becomes of rows whose item the input does not list any more: they "
        "stay, get the time in `gone_at`, or are deleted.",
    )

    @field_validator("uri")
    @classmethod
    def _uri_is_known(cls, value: str) -> str:
        return check_uri(value)


class JobSpec(Section):
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
    duplicates: DuplicateSpec = DuplicateSpec()
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
