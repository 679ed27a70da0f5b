from __future__ import annotations

import errno
import os
import resource
import signal
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from studio.audio.clip import AudioClip
from studio.audio.files import probe, read_audio, stream_audio, wav_bytes, write_wav
from studio.audio.wav import require_wav_size
from studio.core.errors import AudioFileError, StorageError


def sine(seconds: float = 0.5, channels: int = 1, sample_rate: int = 32000) -> AudioClip:
    time = np.arange(round(seconds * sample_rate)) / sample_rate
    samples = np.stack([0.5 * np.sin(2 * np.pi * 220 * (n + 1) * time) for n in range(channels)])
    return AudioClip(samples=samples.astype(np.float32), sample_rate=sample_rate)


def fault_of_reading(path: Path, **options: float) -> str:
    with pytest.raises(AudioFileError) as caught:
        read_audio(path, **options)
    return one_line_about(caught.value.user_message, path)


def fault_of_writing(path: Path, clip: AudioClip) -> str:
    with pytest.raises(StorageError) as caught:
        write_wav(path, clip)
    return one_line_about(caught.value.user_message, path)


def one_line_about(message: str, path: Path) -> str:
    assert path.name in message
    assert len(message.splitlines()) == 1
    assert ": " in message, "no remedy"
    return message


# Writing


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_written_wav_reads_back_equal_within_its_depth(tmp_path: Path, channels: int) -> None:
    clip = sine(channels=channels)
    for subtype, error in (("PCM_24", 2**-24), ("PCM_16", 2**-16), ("FLOAT", 0.0)):
        path = tmp_path / f"{subtype}.wav"
        write_wav(path, clip, subtype=subtype)
        back = read_audio(path)
        assert back.sample_rate == clip.sample_rate
        assert back.samples.shape == clip.samples.shape
        assert np.abs(back.samples - clip.samples).max() <= error
        assert soundfile.info(path).subtype == subtype


def test_reading_and_writing_again_changes_nothing(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).uniform(-1, 1, (2, 4001)).astype(np.float32)
    write_wav(tmp_path / "a.wav", AudioClip(samples=noise, sample_rate=44100))
    write_wav(tmp_path / "b.wav", read_audio(tmp_path / "a.wav"))
    assert (tmp_path / "a.wav").read_bytes() == (tmp_path / "b.wav").read_bytes()


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT"])
def test_wav_bytes_are_what_is_written_and_hold_no_clock(tmp_path: Path, subtype: str) -> None:
    clip = sine()
    write_wav(tmp_path / "a.wav", clip, subtype=subtype)
    content = (tmp_path / "a.wav").read_bytes()
    assert content == wav_bytes(clip, subtype)
    assert b"PEAK" not in content[:200]
    assert len(content) == 8 + struct.unpack("<I", content[4:8])[0]


def test_louder_than_full_scale_is_clipped_and_never_wraps(tmp_path: Path) -> None:
    loud = np.array([[-3.0, -1.0, -0.99999999, 0.99999999, 1.0, 3.0]], dtype=np.float32)
    for subtype in ("PCM_24", "PCM_16"):
        write_wav(tmp_path / "a.wav", AudioClip(samples=loud, sample_rate=8000), subtype=subtype)
        back = read_audio(tmp_path / "a.wav").samples[0]
        assert np.array_equal(back[:2], [-1, -1])
        assert (back[:3] < -0.999).all()
        assert (back[3:] > 0.999).all()
        assert back.max() < 1


def test_odd_data_is_padded_to_an_even_length(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", AudioClip(samples=np.zeros((1, 5)), sample_rate=8000))
    assert (tmp_path / "a.wav").stat().st_size == 44 + 15 + 1
    assert probe(tmp_path / "a.wav").frames == 5


def test_a_clip_saves_itself_as_the_same_bytes(tmp_path: Path) -> None:
    sine().save(tmp_path / "a.wav")
    assert (tmp_path / "a.wav").read_bytes() == wav_bytes(sine())


def test_samples_that_are_not_numbers_are_not_written(tmp_path: Path) -> None:
    clip = AudioClip(samples=np.array([[0.0, np.nan]], dtype=np.float32), sample_rate=8000)
    with pytest.raises(AudioFileError, match="not numbers"):
        write_wav(tmp_path / "a.wav", clip)
    assert list(tmp_path.iterdir()) == []


def test_more_than_a_wav_can_hold_is_refused() -> None:
    with pytest.raises(AudioFileError, match="4 GB"):
        require_wav_size(frames=2**31, frame_bytes=3, sample_rate=48000)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    assert "does not exist" in fault_of_writing(tmp_path / "no" / "a.wav", sine())
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "a.wav").mkdir()
    assert "is a folder" in fault_of_writing(tmp_path / "a.wav", sine())


def test_a_device_is_never_replaced() -> None:
    before = Path("/dev/full").stat().st_rdev
    assert "ordinary file" in fault_of_writing(Path("/dev/full"), sine())
    assert Path("/dev/full").stat().st_rdev == before


def test_a_name_that_is_too_long_or_impossible_is_named(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="too long"):
        write_wav(tmp_path / ("x" * 300), sine())
    with pytest.raises(StorageError, match="was not written"):
        write_wav(str(tmp_path / "a\0b.wav"), sine())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (errno.ENOSPC, "disk is full"),
        (errno.EDQUOT, "disk is full"),
        (errno.EACCES, "no permission"),
        (errno.EROFS, "no permission"),
        (errno.EIO, "choose another name or folder"),
    ],
)
def test_a_failing_disk_keeps_the_old_file_and_leaves_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, words: str
) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(b"old")

    def fail(descriptor: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", fail)
    assert words in fault_of_writing(path, sine())
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_real_limit_on_file_size_leaves_nothing(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    previous = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        assert "too large" in fault_of_writing(tmp_path / "a.wav", sine())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, previous)
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_while_writing_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_wav(tmp_path / "a.wav", sine())
    assert list(tmp_path.iterdir()) == []


def test_writing_follows_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link.wav").symlink_to(tmp_path / "real" / "a.wav")
    write_wav(tmp_path / "link.wav", sine())
    assert (tmp_path / "link.wav").is_symlink()
    assert (tmp_path / "real" / "a.wav").read_bytes() == wav_bytes(sine())


# Reading


def test_probe_tells_length_and_shape(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", sine(0.25, channels=2, sample_rate=44100))
    info = probe(tmp_path / "a.wav")
    assert (info.frames, info.sample_rate, info.channels) == (11025, 44100, 2)
    assert info.duration_seconds == pytest.approx(0.25)


@pytest.mark.parametrize(
    "name", ["a.wav", "a.aiff", "a.flac", "a.ogg", "a.mp3", "a.caf", "a.w64", "a.au"]
)
def test_common_formats_are_read(tmp_path: Path, name: str) -> None:
    clip = sine(channels=2, sample_rate=44100)
    soundfile.write(tmp_path / name, clip.samples.T, 44100)
    back = read_audio(tmp_path / name)
    assert back.samples.shape == clip.samples.shape
    assert np.abs(back.samples - clip.samples)[:, 2000:-2000].max() < 0.05


def test_a_name_in_any_script_or_in_no_script_is_read(tmp_path: Path) -> None:
    for name in ("ドラム ü.wav", os.fsdecode(b"\xff\xfe.wav"), "line\nbreak.wav"):
        write_wav(tmp_path / name, sine())
        assert read_audio(tmp_path / name).frames == sine().frames


def test_a_strange_name_still_gives_a_printable_line(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"\xff\nx.wav")
    with pytest.raises(AudioFileError) as caught:
        read_audio(path)
    assert len(caught.value.user_message.splitlines()) == 1
    caught.value.user_message.encode()


def test_missing_empty_and_folder_are_named(tmp_path: Path) -> None:
    assert "does not exist" in fault_of_reading(tmp_path / "none.wav")
    (tmp_path / "empty.wav").touch()
    assert "empty" in fault_of_reading(tmp_path / "empty.wav")
    (tmp_path / "folder.wav").mkdir()
    assert "folder" in fault_of_reading(tmp_path / "folder.wav")
    with pytest.raises(AudioFileError):
        read_audio(tmp_path / "empty.wav" / "inside.wav")
    with pytest.raises(AudioFileError):
        read_audio(str(tmp_path / "a\0b.wav"))


def test_a_pipe_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.wav")
    assert "ordinary file" in fault_of_reading(tmp_path / "pipe.wav")


def test_no_permission_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_wav(tmp_path / "a.wav", sine())

    def refuse(self: Path, *_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    assert "may not be read" in fault_of_reading(tmp_path / "a.wav")


@pytest.mark.parametrize("name", ["a.wav", "a.txt", "a.raw", "a.mp3", "a.gsm"])
@pytest.mark.parametrize("content", [b"hello\n" * 500, b"\0" * 5000, b"RIFF\xff\xff\xff\xffWAVE"])
def test_what_is_not_sound_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    fault_of_reading(tmp_path / name)


@pytest.mark.parametrize("name", ["a.wav", "a.aiff", "a.flac"])
@pytest.mark.parametrize("kept", [0.1, 0.5, 0.99])
def test_a_file_cut_short_is_refused(tmp_path: Path, name: str, kept: float) -> None:
    whole = tmp_path / name
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 50_000)
    soundfile.write(whole, noise, 44100)
    content = whole.read_bytes()
    (tmp_path / f"cut-{name}").write_bytes(content[: int(len(content) * kept)])
    fault_of_reading(tmp_path / f"cut-{name}")


def test_a_stream_of_unstated_length_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    content = bytearray(wav_bytes(sine()))
    content[4:8] = content[40:44] = b"\xff\xff\xff\xff"
    (tmp_path / "a.wav").write_bytes(content)
    assert read_audio(tmp_path / "a.wav").frames == sine().frames


def test_too_long_is_refused_before_it_is_read(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", sine(2.0))
    assert "2 s" in fault_of_reading(tmp_path / "a.wav", max_seconds=1.0)
    assert read_audio(tmp_path / "a.wav", max_seconds=2.0).frames == 64000


def test_a_flac_that_claims_days_is_refused_without_the_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.flac"
    soundfile.write(path, sine().samples[0], 32000)
    content = bytearray(path.read_bytes())
    content[21] |= 0x0F  # the top bits of STREAMINFO's 36-bit length
    content[22:26] = b"\xff\xff\xff\xff"
    path.write_bytes(content)
    assert "can be read" in fault_of_reading(path)


def test_too_many_channels_are_refused(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros((10, 200)), 44100)
    assert "200 channels" in fault_of_reading(tmp_path / "a.wav")


@pytest.mark.parametrize("sample_rate", [1, 2_000_000])
def test_an_absurd_sample_rate_is_refused(tmp_path: Path, sample_rate: int) -> None:
    content = bytearray(wav_bytes(sine()))
    content[24:28] = struct.pack("<I", sample_rate)
    (tmp_path / "a.wav").write_bytes(content)
    assert f"{sample_rate} Hz" in fault_of_reading(tmp_path / "a.wav", max_seconds=1e9)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30])
def test_samples_that_are_not_sound_are_refused(tmp_path: Path, value: float) -> None:
    samples = np.zeros(5000, dtype=np.float32)
    samples[4000] = value
    soundfile.write(tmp_path / "a.wav", samples, 44100, subtype="FLOAT")
    assert "not sound" in fault_of_reading(tmp_path / "a.wav")


def test_a_file_without_a_frame_is_refused(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", AudioClip(samples=np.zeros((1, 0)), sample_rate=8000))
    assert "no sound" in fault_of_reading(tmp_path / "a.wav")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    start=st.sampled_from(["wav", "aiff", "flac", "ogg", "raw"]),
    edits=st.lists(st.tuples(st.integers(0, 120), st.integers(0, 255)), max_size=12),
    cut=st.integers(0, 400),
)
def test_a_damaged_header_gives_sound_or_one_line(
    tmp_path_factory: pytest.TempPathFactory,
    start: str,
    edits: list[tuple[int, int]],
    cut: int,
) -> None:
    path = tmp_path_factory.mktemp("damaged") / f"a.{start}"
    if start == "raw":
        path.write_bytes(bytes(value for _, value in edits))
    else:
        soundfile.write(path, sine(0.01).samples[0], 32000)
    content = bytearray(path.read_bytes())
    for position, value in edits:
        if position < len(content):
            content[position] = value
    path.write_bytes(content[: len(content) - cut] if cut < 200 else content)
    try:
        clip = read_audio(path)
    except AudioFileError as error:
        one_line_about(error.user_message, path)
    else:
        assert clip.frames > 0
        assert np.isfinite(clip.samples).all()


def test_a_stream_gives_the_whole_sound_in_pieces_and_the_words_of_the_file(tmp_path: Path) -> None:
    clip = sine(70.0, channels=2)
    path = tmp_path / "long.wav"
    with soundfile.SoundFile(path, "w", samplerate=32000, channels=2, subtype="FLOAT") as file:
        file.title = "Dusty break"
        file.write(clip.samples.T)
    with stream_audio(path) as stream:
        assert (stream.info.channels, stream.info.frames) == (2, clip.frames)
        assert stream.tags == {"title": "Dusty break"}
        pieces = list(stream.blocks)
    assert len(pieces) > 2
    assert np.array_equal(np.concatenate(pieces, axis=1), clip.samples)
