"""`heard cabin`: what a car's own voices teach."""

# ruff: noqa: FBT002 - flags of commands

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from daemon.commands.options import ConfigOption, JsonOption, print_json
from foundation.errors import ConfigError, Problem

if TYPE_CHECKING:
    from daemon.config import Config
    from daemon.sources.settings import CabinSettings
    from fewshot_profiles.cabin_adaptation import Voice
    from fewshot_profiles.profile import Profile

group = typer.Typer(help="Voices in a car and outside.", no_args_is_help=True)


@group.callback()
def cabin() -> None:
    """Voices in a car and outside."""


@group.command("adapt", epilog="Example: heard cabin adapt --inside driver.wav --outside window.wav")
def adapt(
    inside: Annotated[list[Path] | None, typer.Option(help="Somebody talking in the car.")] = None,
    outside: Annotated[list[Path] | None, typer.Option(help="Somebody talking outside.")] = None,
    stream: Annotated[
        str | None, typer.Option(help="Whose microphones recorded it; default: the only cabin there is.")
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Teach this car's voices: two to five seconds each, three of each kind are good.

    What is learnt goes to `cabin` in the state folder; a daemon that runs takes it up when it is restarted.
    """
    from daemon.config import load_config
    from daemon.streams.cabin import adapted_folder, cabin_folders
    from fewshot_profiles.cabin import CABIN_FOLDER, read_cabin
    from fewshot_profiles.cabin_adaptation import adapt as adapt_profiles
    from fewshot_profiles.folder import write_profile

    if not inside and not outside:
        raise typer.BadParameter("give at least one recording, with --inside or --outside")
    settings = load_config(config)
    place = _cabin(settings, config, stream)
    files = [(file, True) for file in inside or ()] + [(file, False) for file in outside or ()]
    voices = [_voice(file, place, inside=within) for file, within in files]
    microphones = _microphones(voices, config)
    stock = read_cabin([CABIN_FOLDER], microphones)
    adapted = adapt_profiles(stock, voices)
    folder = adapted_folder(settings)
    known = cabin_folders(settings)
    for profile in adapted:
        others = next(path for path in reversed(known) if (path / profile.name).is_dir())
        write_profile(profile, folder, encoders_from=others / profile.name)
    _report(voices, stock, adapted, folder, as_json=as_json)


def _cabin(settings: Config, config: Path | None, stream: str | None) -> CabinSettings:
    cabins = {name: each.cabin for name, each in settings.streams.items() if each.cabin is not None}
    name = stream or next(iter(cabins), "")
    if name not in cabins or (stream is None and len(cabins) > 1):
        there_are = ", ".join(cabins) or "none (docs/car.md says how a stream becomes one)"
        message = f"--stream should name a stream that is a cabin; there are: {there_are}"
        raise ConfigError([Problem(file=config or Path("heard.yaml"), line=0, column=0, message=message)])
    return cabins[name]


def _voice(file: Path, place: CabinSettings, *, inside: bool) -> Voice:
    import soundfile

    from fewshot_profiles.cabin_adaptation import listen
    from foundation.errors import AudioFileError

    try:
        samples, rate_hz = soundfile.read(file, dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, OSError) as error:
        raise AudioFileError(f"{file} cannot be read as audio ({error})") from error
    return listen(
        file,
        samples.T,
        rate_hz,
        inside=inside,
        full_scale_db_spl=place.full_scale_db_spl,
        distance_m=place.microphone_distance_m,
    )


def _microphones(voices: list[Voice], config: Path | None) -> int:
    from detectors.cabin_cues import cue_id

    widths = {voice.cues.shape[1] for voice in voices}
    if len(widths) > 1:
        message = "all recordings should have one channel, or all of them two: those of the car's stream"
        raise ConfigError([Problem(file=config or Path("heard.yaml"), line=0, column=0, message=message)])
    return next(number for number in (1, 2) if widths == {cue_id(number).dim})


def _report(
    voices: list[Voice],
    stock: tuple[Profile, ...],
    adapted: tuple[Profile, ...],
    folder: Path,
    *,
    as_json: bool,
) -> None:
    """Say of each recording whether it was told right before, and is now."""
    for voice in voices:
        before, now = (_inside(profiles, voice) for profiles in (stock, adapted))
        if as_json:
            print_json(
                {
                    "file": str(voice.file),
                    "inside": voice.inside,
                    "taken_for_inside_before": before,
                    "taken_for_inside": now,
                }
            )
        else:
            said = {True: "inside", False: "outside"}
            typer.echo(
                f"{voice.file}: {said[voice.inside]}; taken for {said[before]} before, {said[now]} now"
            )
    if not as_json:
        typer.echo(f"Written to {folder}. A daemon that runs takes it up when it is restarted.")


def _inside(profiles: tuple[Profile, ...], voice: Voice) -> bool:
    logits = [float(profile.detector.head.logits(voice.cues[-1:])[0]) for profile in profiles]
    return logits[0] > logits[1]
