"""What evidence holds, and what happens when the disk does not want it."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile

from daemon.evidence import recorder as recorder_module
from daemon.evidence.clips import (
    MAX_FLAC_CHANNELS,
    clip_name,
    clip_path,
    clip_span,
    picture_name,
    sidecar_name,
)
from daemon.evidence.ledger import Entry, FileDigest, verify_ledger
from daemon.evidence.recorder import EvidenceRecorder
from daemon.evidence.retention import Limits, to_retire
from daemon.evidence.store import EvidenceStore
from foundation.errors import EvidenceUnavailable
from tests.daemon.small_disk import fill, remount, small_disk
from tests.daemon.sounds import EPOCH_S, RATE_HZ, block, clip, pcm, sound

if TYPE_CHECKING:
    from pathlib import Path

    from detectors.types import SoundEvent

KEEP_ALL = Limits(keep_days=1e6)


def store_in(folder: Path, limits: Limits = KEEP_ALL) -> EvidenceStore:
    return EvidenceStore(folder, limits=limits, heard_version="0.1.0")


def leftovers(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".jsonl"]


class TestNames:
    """Where the evidence of an event lies."""

    def test_the_path_follows_from_the_event_alone(self, tmp_path: Path) -> None:
        """Day and time of the onset in UTC, stream, profile, id: known before the clip is stored."""
        name = "2023-11-14/kitchen_glass_breaking_221330_0000000000002710.flac"
        assert clip_name(sound()) == name
        assert clip_path(tmp_path, sound()) == tmp_path / name
        assert sidecar_name(name).endswith("2710.json")
        assert picture_name(name).endswith("2710.png")

    def test_names_that_would_leave_the_folder_cannot(self) -> None:
        """Slashes, dots and other scripts become plain, and the name fits into a file system."""
        name = clip_name(sound(stream="../../etc", profile="厨房" * 200))
        assert ".." not in name
        assert name.count("/") == 1
        assert len(name.split("/")[1].encode()) < 200

    def test_the_span_is_cut_at_the_start_of_the_stream(self) -> None:
        """A sound in the first seconds has less before it."""
        assert clip_span(sound(onset_s=2.0), before_s=5, after_s=5, rate_hz=100) == (0, 700)
        assert clip_span(sound(onset_s=12.0), before_s=5, after_s=5, rate_hz=100) == (700, 1700)


class TestStore:
    """What is written."""

    def test_a_clip_is_flac_with_a_sidecar_and_a_picture(self, tmp_path: Path) -> None:
        """The audio is there to the bit; the sidecar says what, when, by what, for whom."""
        stored = clip(rule_ids=("a", "b"))
        path = store_in(tmp_path).store(stored)
        audio, rate_hz = soundfile.read(path, dtype="int16", always_2d=True)
        np.testing.assert_array_equal(audio.T, stored.pcm)
        sidecar = json.loads(path.with_suffix(".json").read_text())
        assert rate_hz == sidecar["rate_hz"] == RATE_HZ
        assert sidecar["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
        assert sidecar["rules"] == ["a", "b"]
        assert sidecar["event"]["event_type"] == "glass_breaking"
        assert sidecar["onset"] == "2023-11-14T22:13:30.000+00:00"
        assert sidecar["clip_start"] == "2023-11-14T22:13:29.500+00:00"
        assert sidecar["onset_in_clip_s"] == 0.5
        assert (sidecar["encoder"], sidecar["profile_version"]) == ("builtin-0123456789ab", "v1")
        assert sidecar["heard_version"] == "0.1.0"
        assert path.with_suffix(".png").read_bytes().startswith(b"\x89PNG")

    @pytest.mark.parametrize("rate_hz", [8_000, 44_100, 192_000])
    @pytest.mark.parametrize("channels", [1, 8])
    def test_every_source_rate_and_channel_count_is_kept(
        self, tmp_path: Path, rate_hz: int, channels: int
    ) -> None:
        """Evidence is what the microphone delivered."""
        path = store_in(tmp_path).store(replace(clip(), rate_hz=rate_hz, pcm=pcm(0, 500, channels=channels)))
        assert (soundfile.info(path).samplerate, soundfile.info(path).channels) == (rate_hz, channels)

    def test_more_channels_than_flac_holds_are_a_clear_error(self, tmp_path: Path) -> None:
        """The error names the stream and the limit, and nothing is left behind."""
        wide = replace(clip(), pcm=pcm(0, 100, channels=MAX_FLAC_CHANNELS + 1))
        with pytest.raises(EvidenceUnavailable, match="9 channels; FLAC holds 8"):
            store_in(tmp_path).store(wide)
        assert not leftovers(tmp_path)

    def test_a_rule_that_asks_again_later_is_added_to_the_sidecar(self, tmp_path: Path) -> None:
        """One clip for each event; its sidecar names every rule, and the ledger follows."""
        store = store_in(tmp_path)
        path = store.store(clip(rule_ids=("a",)))
        assert store.store(clip(rule_ids=("b",))) == path
        assert store_in(tmp_path).store(clip(rule_ids=("a", "b"))) == path
        assert json.loads(path.with_suffix(".json").read_text())["rules"] == ["a", "b"]
        assert len((tmp_path / "ledger.jsonl").read_text().splitlines()) == 2
        assert verify_ledger(tmp_path) == []

    def test_a_tampered_sidecar_stays_as_it_is(self, tmp_path: Path) -> None:
        """A second rule does not repair, and so hide, what somebody did."""
        store = store_in(tmp_path)
        sidecar = store.store(clip(rule_ids=("a",))).with_suffix(".json")
        sidecar.write_text("[]")
        store.store(clip(rule_ids=("b",)))
        assert sidecar.read_text() == "[]"
        assert len(verify_ledger(tmp_path)) == 1

    def test_leftovers_of_a_power_failure_are_cleared_away(self, tmp_path: Path) -> None:
        """Half-written files of a former life do not pile up."""
        (tmp_path / "2023-11-14").mkdir()
        (tmp_path / "2023-11-14" / ".tmp-abc").write_bytes(b"half")
        store_in(tmp_path).store(clip())
        assert not list(tmp_path.rglob(".tmp-*"))

    def test_a_full_disk_refuses_the_clip_and_keeps_nothing_of_it(self, tmp_path: Path) -> None:
        """Half a clip is no evidence; once there is room, clips are stored again."""
        with small_disk(tmp_path / "disk", kilobytes=400) as folder:
            store = store_in(folder)
            store.store(clip())
            before = sorted(leftovers(folder))
            ballast = fill(folder)
            with pytest.raises(EvidenceUnavailable, match="No space left"):
                store.store(clip(sound(onset_s=20.0)))
            ballast.unlink()
            assert sorted(leftovers(folder)) == before
            assert verify_ledger(folder) == []
            store.store(clip(sound(onset_s=20.0)))
            assert verify_ledger(folder) == []

    def test_a_disk_that_fills_up_between_two_files_keeps_nothing_of_the_clip(self, tmp_path: Path) -> None:
        """Whichever write fails, the files before it go as well."""
        for kilobytes in range(4, 64, 4):
            with small_disk(tmp_path / "disk", kilobytes=kilobytes) as folder:
                store = store_in(folder)
                try:
                    store.store(clip(seconds=2.0))
                except EvidenceUnavailable:
                    assert not leftovers(folder)
                else:
                    assert len(leftovers(folder)) == 3
                assert verify_ledger(folder) == []

    def test_a_read_only_folder_is_a_clear_error_from_the_start(self, tmp_path: Path) -> None:
        """The first look at the folder tells, not the first burglary; when it can be written, all is well."""
        with small_disk(tmp_path / "disk", kilobytes=400) as folder:
            store = store_in(folder)
            remount(folder, "ro")
            with pytest.raises(EvidenceUnavailable, match="Read-only file system"):
                store.retire(now=0.0)
            with pytest.raises(EvidenceUnavailable, match="Read-only file system"):
                store.store(clip())
            remount(folder, "rw")
            store.store(clip())
            assert verify_ledger(folder) == []

    def test_a_file_where_the_folder_should_be_is_a_clear_error(self, tmp_path: Path) -> None:
        """A folder that cannot be made is named."""
        (tmp_path / "evidence").write_text("")
        with pytest.raises(EvidenceUnavailable, match="evidence"):
            store_in(tmp_path / "evidence").store(clip())


class TestRetention:
    """What has to go."""

    @staticmethod
    def entry(
        number: int, *, profile: str = "p", size_bytes: int = 10, onset_at: float | None = None
    ) -> Entry:
        at = 1000.0 + number if onset_at is None else onset_at
        files = {f"{number}.flac": FileDigest(sha256="", size_bytes=size_bytes)}
        return Entry(kind="stored", clip=f"{number}.flac", profile=profile, onset_at=at, files=files)

    def gone(self, stored: list[Entry], limits: Limits, now: float = 2000.0) -> list[str]:
        return [entry.clip for entry, _ in to_retire(stored, limits, now=now)]

    def test_the_oldest_go_first(self) -> None:
        """By age, by bytes and by count for each profile; within the limits nothing goes."""
        stored = [self.entry(number, profile="pq"[number % 2]) for number in range(6)]
        assert self.gone(stored, Limits()) == []
        assert self.gone(stored, Limits(max_clips_per_profile=2)) == ["0.flac", "1.flac"]
        assert self.gone(stored, Limits(max_bytes=25)) == ["0.flac", "1.flac", "2.flac", "3.flac"]
        old = self.entry(9, onset_at=2000.0 - 2 * 86_400)
        assert self.gone([*stored, old], Limits(keep_days=1)) == ["9.flac"]

    def test_the_ledger_says_why(self, tmp_path: Path) -> None:
        """A retired clip leaves its files' hashes and the reason."""
        store = store_in(tmp_path, Limits(keep_days=1.0))
        path = store.store(clip())
        assert [entry.clip for entry in store.retire(now=EPOCH_S + 3 * 86_400)] == [clip_name(sound())]
        assert not path.parent.exists()
        last = json.loads((tmp_path / "ledger.jsonl").read_text().splitlines()[-1])
        assert (last["kind"], last["reason"]) == ("retired", "older than 1 days")
        assert verify_ledger(tmp_path) == []


class TestRecorder:
    """From a rule's wish to a clip on the disk."""

    def recorder(self, folder: Path, done: list[tuple[SoundEvent, Path]] | None = None) -> EvidenceRecorder:
        return EvidenceRecorder(
            store_in(folder),
            before_s=1.0,
            after_s=1.0,
            encoder_id="builtin-0",
            on_stored=None if done is None else lambda event, path: done.append((event, path)),
        )

    async def test_a_clip_waits_for_the_audio_behind_the_onset(self, tmp_path: Path) -> None:
        """From a second before the onset to a second behind it, to the sample, one file for two rules."""
        done: list[tuple[SoundEvent, Path]] = []
        async with self.recorder(tmp_path, done) as recorder:
            recorder.open("kitchen", rate_hz=RATE_HZ, channels=2)
            for start in range(0, 4 * RATE_HZ, 100):
                recorder.accept("kitchen", block(start, start + 100, channels=2))
                if start == 2 * RATE_HZ + 1_000:
                    recorder.request(sound(onset_s=2.0), "a")
                    recorder.request(sound(onset_s=2.0), "b")
                    recorder.request(sound(onset_s=2.0), "a")
        ((event, path),) = done
        audio, _ = soundfile.read(path, dtype="int16", always_2d=True)
        np.testing.assert_array_equal(audio.T, pcm(RATE_HZ, 3 * RATE_HZ, channels=2))
        assert event == sound(onset_s=2.0)
        assert json.loads(path.with_suffix(".json").read_text())["rules"] == ["a", "b"]

    async def test_a_clip_takes_what_there_is_when_the_stream_ends(self, tmp_path: Path) -> None:
        """A stream that stops, or a daemon that does, leaves the clip it owes; two streams stay apart."""
        done: list[tuple[SoundEvent, Path]] = []
        async with self.recorder(tmp_path, done) as recorder:
            for stream in ("kitchen", "hall"):
                recorder.open(stream, rate_hz=RATE_HZ, channels=1)
                recorder.accept(stream, block(0, 4_000))
                recorder.request(sound(onset_s=0.1, stream=stream), "a")
            recorder.close("kitchen")
        assert [event.stream for event, _ in done] == ["kitchen", "hall"]
        assert [soundfile.info(path).frames for _, path in done] == [4_000, 4_000]

    async def test_a_late_wish_gets_what_the_ring_still_holds(self, tmp_path: Path) -> None:
        """A rule that waited loses the beginning first, and is refused when nothing is left."""
        done: list[tuple[SoundEvent, Path]] = []
        async with self.recorder(tmp_path, done) as recorder:
            recorder.open("kitchen", rate_hz=RATE_HZ, channels=1)
            for second in range(20):
                recorder.accept("kitchen", block(second * RATE_HZ, (second + 1) * RATE_HZ))
            recorder.request(sound(onset_s=8.0), "a")
            with pytest.raises(EvidenceUnavailable, match="only the last 12 s"):
                recorder.request(sound(onset_s=6.0), "a")
            with pytest.raises(EvidenceUnavailable, match="'attic'"):
                recorder.request(sound(stream="attic"), "a")
        ((_, path),) = done
        assert soundfile.info(path).frames == RATE_HZ

    async def test_a_long_gap_ends_a_clip_and_a_short_one_is_silence_in_it(self, tmp_path: Path) -> None:
        """Lost audio neither loses the clip nor shifts what follows."""
        done: list[tuple[SoundEvent, Path]] = []
        async with self.recorder(tmp_path, done) as recorder:
            recorder.open("kitchen", rate_hz=RATE_HZ, channels=1)
            recorder.accept("kitchen", block(0, RATE_HZ))
            recorder.request(sound(onset_s=0.5), "a")
            recorder.accept("kitchen", block(RATE_HZ + 500, RATE_HZ + 1_000))
            recorder.accept("kitchen", block(100 * RATE_HZ, 101 * RATE_HZ))
        ((_, path),) = done
        audio, _ = soundfile.read(path, dtype="int16")
        assert len(audio) == RATE_HZ + 1_000
        assert not audio[RATE_HZ : RATE_HZ + 500].any()
        np.testing.assert_array_equal(audio[RATE_HZ + 500 :], pcm(RATE_HZ + 500, RATE_HZ + 1_000)[0])

    async def test_too_many_wishes_are_refused(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A storm of events cannot fill the memory; the clips taken before it are stored."""
        monkeypatch.setattr(recorder_module, "MAX_PENDING_CLIPS", 3)
        async with self.recorder(tmp_path) as recorder:
            recorder.open("kitchen", rate_hz=RATE_HZ, channels=1)
            recorder.accept("kitchen", block(0, RATE_HZ))
            for number in range(3):
                recorder.request(sound(onset_s=0.1 * number), "a")
            with pytest.raises(EvidenceUnavailable, match="3 clips wait"):
                recorder.request(sound(onset_s=0.5), "a")
        assert recorder.stored_clips == 3

    async def test_a_disk_that_refuses_is_said_once_and_listening_goes_on(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        """One line when clips are refused, with the rule; one when they are stored again; `fault` between."""
        caplog.set_level(logging.INFO, logger="daemon.evidence.recorder")
        with small_disk(tmp_path / "disk", kilobytes=1_000) as folder:
            async with self.recorder(folder) as recorder:
                recorder.open("kitchen", rate_hz=RATE_HZ, channels=1)
                recorder.accept("kitchen", block(0, 8 * RATE_HZ))
                recorder.request(sound(onset_s=1.0), "glass_alarm")
                await drained(recorder)
                ballast = fill(folder)
                for onset_s in (2.0, 3.0):
                    recorder.request(sound(onset_s=onset_s), "glass_alarm")
                await drained(recorder)
                assert recorder.fault is not None
                assert "No space left" in recorder.fault
                ballast.unlink()
                recorder.request(sound(onset_s=4.0), "glass_alarm")
                await drained(recorder)
                assert recorder.fault is None
                assert recorder.stored_clips == 2
        lines = [record.message for record in caplog.records if record.name == "daemon.evidence.recorder"]
        assert len(lines) == 2
        assert "glass_alarm" in lines[0]


async def drained(recorder: EvidenceRecorder) -> None:
    async with asyncio.timeout(20.0):
        await recorder.drained()
