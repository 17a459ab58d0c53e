"""Another encoder came: a profile whose examples were kept as audio is heard anew by it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from fewshot_profiles.arrays import bad_file
from fewshot_profiles.enrollment import Surroundings, Teaching, enroll_recordings
from fewshot_profiles.example_audio import read_example
from fewshot_profiles.folder import ARRAYS_NAME, audio_files, encoders_of, read_outline, write_profile
from fewshot_profiles.profile import Profile
from foundation.errors import ExampleError


def needs_hearing_anew(folder: Path, surroundings: Surroundings) -> bool:
    """Tell whether the profile in `folder` was never fitted for this encoder. Raises ProfileError."""
    return str(surroundings.encoder_id) not in encoders_of(folder)


def heard_anew(folder: Path, surroundings: Surroundings) -> Profile:
    """Return the profile in `folder` as this encoder hears its examples.

    Raises ProfileError, with the reason, where they were not kept as audio or the audio cannot teach.
    """
    outline = read_outline(folder, surroundings.encoder_id)
    files = audio_files(folder)
    if not files:
        raise bad_file(
            folder / ARRAYS_NAME,
            f"profile {outline.name} was made for {' and '.join(encoders_of(folder)) or 'no encoder'}, the "
            f"encoder in use is {surroundings.encoder_id}, and its examples were not kept as audio: teach it "
            "again, or go back to that encoder",
        )
    names = [example.path for example in outline.examples]
    try:
        recordings = [read_example(file) for file in files]
        named = [
            replace(recording, name=names[number] if number < len(names) else recording.name)
            for number, recording in enumerate(recordings)
        ]
        result = enroll_recordings(
            Teaching(
                name=outline.name,
                description=outline.description,
                tags=outline.tags,
                false_alarms_per_hour=outline.promise_per_hour,
            ),
            named,
            surroundings,
            refuse_unlike=False,
        )
    except ExampleError as error:
        raise bad_file(folder, f"its examples cannot be heard anew: {error}") from error
    examples = outline.examples if len(outline.examples) == len(files) else result.profile.examples
    return replace(
        result.profile,
        threshold_override=outline.threshold_override,
        examples=examples,
        revision=outline.revision + 1,
        change=f"heard anew by {surroundings.encoder_id}; what was marked has to be marked again",
        marks=(),
    )


def hear_folder_anew(folder: Path, surroundings: Surroundings) -> Profile:
    """Hear the profile in `folder` anew and keep that beside what the former encoder made of it."""
    profile = heard_anew(folder, surroundings)
    write_profile(profile, folder.parent, audio_from=folder, encoders_from=folder, keep_version=True)
    return profile
