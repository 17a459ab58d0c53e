"""What the configuration says about the full audio model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, model_validator

from daemon.action_settings import from_credentials, read_secret
from daemon.audio_model.child import ModelPlace
from daemon.audio_model.client import ModelProcess
from daemon.audio_model.hybrid import Client, HybridModel
from daemon.settings import ExistingFile, ExistingFolder, Integer, Name, Number, Settings
from detectors.audio_models import LoadOptions
from integrations.audio_endpoint.endpoint import AudioEndpoint, EndpointSettings


class VerifyConfig(Settings):
    """A second opinion on one profile's sounds before anybody is told of them."""

    above: Annotated[Number, Field(ge=0, le=1)] = 0.0
    """Scores below this are not asked about, 0 to 1; they pass as they are."""
    below: Annotated[Number, Field(ge=0, le=1)] = 1.0
    """Scores above this are sure enough, 0 to 1; they pass as they are."""
    question: Annotated[str, Field(min_length=1)] | None = None
    """Default: "Is this the sound of X?" with the profile's name and description."""
    yes_above: Annotated[Number, Field(gt=0, lt=1)] = 0.5
    """The model's own certainty above which its answer counts as yes, between 0 and 1."""
    wait_s: Annotated[Number, Field(gt=0, le=60)] = 3.0
    """Seconds, up to 60: how long a sound is held back for an answer."""
    without_answer: Literal["pass", "drop"] = "pass"
    """What becomes of a sound when there is no answer in time."""


class ListenConfig(Settings):
    """The model is asked what everything is that opens a gate or is spoken. Used with `mode: listen`."""

    profiles: Annotated[tuple[Name, ...], Field(min_length=1)] | None = None
    """What it listens for. Default: every profile."""
    above: Annotated[Number, Field(gt=0, lt=1)] = 0.5
    """The model's own certainty from which on a sound counts as heard, between 0 and 1."""
    examples: Annotated[Integer, Field(ge=0, le=4)] = 1
    """How many of a profile's examples each question shows, up to 4, where their audio was kept."""
    wait_s: Annotated[Number, Field(gt=0, le=300)] = 10.0
    """Seconds, up to 300, after which a sound is no longer worth asking about."""


class TranscribeConfig(Settings):
    """What was said in one profile's sounds is written down when they have ended."""

    wait_s: Annotated[Number, Field(gt=0, le=60)] = 8.0
    """Seconds, up to 60: how long the sound's end is held back for its transcript."""


class EndpointConfig(Settings):
    """A full audio model behind an OpenAI-compatible interface: what it is asked about is sent there."""

    url: Annotated[str, Field(pattern=r"^https?://[^/?#@]+(/[^?#]*)?$")]
    """Up to and with `/v1`, such as http://gpu.local:8000/v1."""
    model: Annotated[str, Field(min_length=1)]
    """What the server calls it."""
    token: SecretStr | None = None
    """In plain text; better is `token_file`. Default: none is sent."""
    token_file: ExistingFile | None = None
    """A file whose first line is the token. Relative to systemd's credentials folder, if it is there."""
    audio_parts: Literal["input_audio", "audio_url"] = "input_audio"
    """How sound is spelled: `input_audio` is OpenAI's and llama-server's, `audio_url` vLLM's own."""
    tries: Annotated[Integer, Field(ge=1, le=10)] = 3
    """For one question within its time limit, up to 10."""
    calls_per_hour: Annotated[Integer, Field(ge=1, le=100_000)] = 240
    """How often it may be asked, further tries included."""

    @model_validator(mode="before")
    @classmethod
    def _find_credential(cls, values: object) -> object:
        return from_credentials(values, "token_file")

    @model_validator(mode="after")
    def _one_token(self) -> Self:
        if self.token is not None and self.token_file is not None:
            raise ValueError("either 'token' or 'token_file', not both")
        return self

    def settings(self) -> EndpointSettings:
        """Return what to ask, reading the token's file now. Raises ConfigError if it cannot be read."""
        token = "" if self.token is None else self.token.get_secret_value()
        if self.token_file is not None:
            token = read_secret(self.token_file, "token")
        return EndpointSettings(
            url=self.url,
            model=self.model,
            token=token,
            audio_parts=self.audio_parts,
            tries=self.tries,
            calls_per_hour=self.calls_per_hour,
        )


class AudioModelConfig(Settings):
    """A full audio model: on this machine in a process of its own, behind an endpoint, or one of each."""

    folder: ExistingFolder | None = None
    """The model's folder, as its makers publish it."""
    endpoint: EndpointConfig | None = None
    """A server that has a model; beside a folder, it is asked what the local model is unsure of."""
    sure_above: Annotated[Number, Field(gt=0, lt=1)] = 0.75
    """With both: the local model's certainty above which the endpoint is not asked, between 0 and 1."""
    companions: Mapping[str, ExistingFolder] = {}
    """Folders published apart, by published name. Default: beside `folder`."""
    device: str = "cpu"
    """As torch names it: `cpu`, `cuda`, `cuda:1`."""
    dtype: Literal["bfloat16", "float32"] = "bfloat16"
    """What its weights are turned into; older CPUs are faster with `float32`."""
    weights: Literal["full", "int8", "int4"] = "full"
    """Weight-only quantisation; `heard models plan` says what each needs. A packed folder has its own."""
    memory_gb: Annotated[Number, Field(gt=0, le=1_000)] | None = None
    """GB that it may hold; what does not fit is read from disk for each use (a packed folder, on the CPU)."""
    threads: Annotated[Integer, Field(ge=1, le=256)] = 1
    """Cores that it may use."""
    mode: Literal["verify", "listen"] = "verify"
    """Whether it is asked about what profiles heard only, or about all that opens a gate or is spoken."""
    listen: ListenConfig = ListenConfig()
    """How it listens, with `mode: listen`."""
    verify: Mapping[Name, VerifyConfig] = {}
    """By profile: whose sounds get a second opinion."""
    transcribe: Mapping[Name, TranscribeConfig] = {}
    """By profile: whose speech is written down."""
    describe_s: Annotated[Number, Field(gt=0, le=600)] = 60.0
    """Seconds, up to 600: how long `heard.describe` waits for its words."""

    @model_validator(mode="after")
    def _one_model(self) -> Self:
        if self.folder is None and self.endpoint is None:
            raise ValueError("'folder' or 'endpoint' is needed, or both")
        if "sure_above" in self.model_fields_set and (self.folder is None or self.endpoint is None):
            raise ValueError("'sure_above' has no meaning without both 'folder' and 'endpoint'")
        return self

    @property
    def listening(self) -> ListenConfig | None:
        """How it listens by itself; None where it is only asked about what profiles heard."""
        return self.listen if self.mode == "listen" else None

    @property
    def where(self) -> tuple[str, ...]:
        """Where the model works, for people; with two of them, the local one first."""
        local = () if self.folder is None else (self.device,)
        return local if self.endpoint is None else (*local, self.endpoint.url)

    def client(self) -> Client:
        """Return whom to ask."""
        if self.endpoint is None:
            return ModelProcess(self.place())
        remote = AudioEndpoint(self.endpoint.settings())
        if self.folder is None:
            return remote
        return HybridModel(ModelProcess(self.place()), remote, sure_above=self.sure_above)

    def place(self) -> ModelPlace:
        """Return what to load."""
        assert self.folder is not None
        load = LoadOptions(
            device=self.device,
            dtype=self.dtype,
            weights=self.weights,
            threads=self.threads,
            memory_bytes=None if self.memory_gb is None else round(self.memory_gb * 1e9),
            companions=dict(self.companions),
        )
        return ModelPlace(folder=self.folder, load=load)
