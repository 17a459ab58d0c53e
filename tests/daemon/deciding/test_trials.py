"""Tests of rule files that play recordings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daemon.deciding import trials
from daemon.deciding.trials import run_trials
from daemon.parts import make_pipeline
from rules.loader import read_rules
from tests.daemon.home import configuration, file_stream, parts, recording

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

TESTED = """\
rules:
  - {id: a, trigger: {trigger: sound, profile: whistle, stream: yard}, action: {action: heard.save_clip}}
tests:
  - test: a whistle in the yard is kept
    given: {audio: whistle.wav, stream: yard, after: 60}
    expect: {action: heard.save_clip}
  - test: the same in the hall is not
    given: {audio: whistle.wav, stream: hall}
    expect: []
  - test: a file that is no audio fails its test
    given: {audio: rules.yaml}
    expect: []
"""


def test_recordings_are_heard_as_live_audio_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the stream that the test names."""
    recording(tmp_path / "whistle.wav")
    (tmp_path / "rules.yaml").write_text(TESTED)
    config = configuration(tmp_path, {"yard": file_stream(tmp_path / "whistle.wav")})
    known = parts()
    monkeypatch.setattr(
        trials, "load_detection", lambda config: make_pipeline(config, known.encoder, known.profiles)
    )
    kept, elsewhere, broken = run_trials(config, read_rules(tmp_path / "rules.yaml").trials)
    assert kept.faults == elsewhere.faults == ()
    assert "rules.yaml" in broken.faults[0]
