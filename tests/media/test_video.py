"""Clips: which frames are taken, where they may come from, what is refused."""

import io
import sys
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image
from tests.toys import shared_data

from triptych.errors import ConfigError, MediaError, MissingExtraError
from triptych.media import Clip, ClipLimits, open_clip

av = pytest.importorskip("av")


def grey(level: int, size: tuple[int, int] = (32, 16)) -> Image.Image:
    return Image.new("RGB", size, (level, level, level))


def film(num_frames: int, fps: int, container: str = "mp4", codec: str = "mpeg4") -> bytes:
    """A clip whose frame k is a grey of 10 k."""
    target = io.BytesIO()
    with av.open(target, "w", format=container) as writer:
        stream = writer.add_stream(codec, rate=fps)
        stream.width, stream.height, stream.pix_fmt = 32, 16, "yuv420p"
        stream.bit_rate = 10**6
        for index in range(num_frames):
            frame = av.VideoFrame.from_image(grey(10 * index))
            frame.pts, frame.time_base = index, Fraction(1, fps)
            writer.mux(stream.encode(frame))
        writer.mux(stream.encode())
    return target.getvalue()


def gif(durations_ms: list[int]) -> bytes:
    target = io.BytesIO()
    frames = [grey(10 * index) for index in range(len(durations_ms))]
    frames[0].save(
        target, "GIF", save_all=True, append_images=frames[1:], duration=durations_ms, loop=0
    )
    return target.getvalue()


def shown(clip: Clip) -> list[int]:
    """Which frame of `film` each frame of a clip is."""
    return [round(float(np.asarray(frame).mean()) / 10) for frame in clip.frames]


FILM = film(20, fps=8)


# -- which frames are taken ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "indexes", "fps"),
    [
        ({}, [0, 4, 8, 12, 16], 2.0),
        ({"fps": 1.0}, [0, 8, 16], 1.0),
        ({"fps": 3.0}, [0, 2, 5, 8, 10, 13, 16, 18], 3.0),
        ({"fps": 50.0}, list(range(20)), 8.0),
        ({"fps": 0.1}, [0], 0.1),
        ({"max_frames": 2}, [0, 10], 0.8),
        ({"max_frames": 1}, [0], 0.4),
    ],
)
def test_a_frame_is_what_is_on_the_screen_at_its_time(options, indexes, fps):
    clip = open_clip(FILM, **options)
    assert shown(clip) == indexes
    assert clip.fps == pytest.approx(fps)
    assert clip.duration_s == pytest.approx(2.5)
    assert (clip.width, clip.height) == (32, 16)


@pytest.mark.parametrize(
    ("container", "codec"),
    [("mov", "mpeg4"), ("avi", "mpeg4"), ("matroska", "mpeg4"), ("webm", "libvpx")],
)
def test_every_container_gives_the_same_frames(container, codec):
    if codec not in av.codecs_available:
        pytest.skip(f"this PyAV has no {codec}")
    assert shown(open_clip(film(20, 8, container, codec))) == [0, 4, 8, 12, 16]


def test_an_animation_keeps_its_own_times():
    # On the screen from 0, 0.1, 1.1 and 1.3 seconds, until 2.0.
    clip = open_clip(gif([100, 1000, 200, 700]), fps=2.0)
    assert clip.duration_s == pytest.approx(2.0)
    assert shown(clip) == [0, 1, 1, 3]


def test_the_last_frame_fills_up():
    clip = open_clip(FILM)
    assert shown(clip.padded(2)) == [0, 4, 8, 12, 16, 16]
    assert clip.padded(5) == clip


# -- where clips come from -----------------------------------------------------------------------


def test_files_and_bytes_are_one(tmp_path):
    path = tmp_path / "a name.txt"  # the content decides
    path.write_bytes(FILM)
    for source in (path, str(path)):
        clip = open_clip(source)
        assert shown(clip) == shown(open_clip(FILM))
        assert clip.source == str(path)


def test_a_folder_is_read_in_counting_order(tmp_path):
    for index in (10, 9, 1, 2):
        grey(index * 10).save(tmp_path / f"frame{index}.png")
    (tmp_path / ".hidden").write_text("no picture")
    clip = open_clip(tmp_path)
    assert (shown(clip), clip.fps, clip.duration_s) == ([1, 2, 9, 10], 2.0, 2.0)
    assert shown(open_clip(tmp_path, source_fps=4.0)) == [1, 9]


def test_pictures_are_taken_as_sampled_unless_their_rate_is_known():
    frames = [grey(10 * index) for index in range(8)]
    assert shown(open_clip(frames)) == list(range(8))
    assert open_clip(frames, fps=1.0).duration_s == 8.0
    assert shown(open_clip(frames, source_fps=8.0)) == [0, 4]
    array = np.stack([np.asarray(frame) for frame in frames])
    assert shown(open_clip(array, max_frames=4)) == [0, 2, 4, 6]


def test_an_opened_clip_stays_unless_asked_for_less():
    clip = open_clip(FILM, fps=8.0)
    assert open_clip(clip) is clip
    assert shown(open_clip(clip, fps=2.0)) == [0, 4, 8, 12, 16]
    assert shown(open_clip(clip, max_frames=2)) == [0, 10]


def test_a_clip_filmed_upright_is_turned():
    # The display matrix in the track header: a quarter turn clockwise.
    quarter = [0, 1, 0, -1, 0, 0, 0, 0, 16384]
    plain = [1, 0, 0, 0, 1, 0, 0, 0, 16384]
    as_bytes = [
        b"".join(int(v * 65536).to_bytes(4, "big", signed=True) for v in matrix)
        for matrix in (plain, quarter)
    ]
    header = FILM.index(b"tkhd")
    at = FILM.index(as_bytes[0], header)
    turned = open_clip(FILM[:at] + as_bytes[1] + FILM[at + 36 :])
    assert (turned.width, turned.height) == (16, 32)


@pytest.mark.parametrize(
    ("name", "num_frames", "size"),
    [
        ("llamafactory_2.avi", 19, (320, 240)),
        ("llamafactory_4.mp4", 10, (224, 224)),
        ("llavanext_lion1.mp4", 5, (512, 466)),
    ],
)
def test_real_clips_are_sampled_twice_a_second(name, num_frames, size):
    clip = open_clip(shared_data("video", name))
    assert (len(clip.frames), (clip.width, clip.height)) == (num_frames, size)
    first, last = (np.asarray(clip.frames[index]).astype(int) for index in (0, -1))
    assert first.std() > 10 and abs(first - last).mean() > 1


# -- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize("content", [FILM, film(20, 8, "avi"), film(20, 8, "matroska")])
@pytest.mark.parametrize("share", [0.05, 0.4, 0.6])
def test_a_clip_cut_off_is_refused(content, share):
    with pytest.raises(MediaError, match="damaged or cut off and cannot be decoded as a clip"):
        open_clip(content[: int(share * len(content))])


@pytest.mark.parametrize("share", [0.5, 0.9])
def test_a_clip_with_sound_cut_off_is_refused(share):
    content = shared_data("video", "sam2_04_coffee.mp4").read_bytes()  # its header comes first
    with pytest.raises(MediaError, match="damaged or cut off"):
        open_clip(content[: int(share * len(content))])


def test_damage_is_a_clip_or_one_sentence():
    source = np.random.default_rng(0)
    for _ in range(20):
        damaged = bytearray(FILM)
        for at in source.integers(0, len(FILM), 40):
            damaged[at] = source.integers(0, 256)
        try:
            open_clip(bytes(damaged))
        except MediaError as error:
            assert "\n" not in str(error)


def test_other_files_are_named_for_what_they_are(tmp_path):
    path = tmp_path / "clip.mp4"
    path.write_text("a text")
    with pytest.raises(MediaError, match=r"clip.mp4 is a text file, not an MP4, MOV, AVI"):
        open_clip(path)
    png = io.BytesIO()
    grey(0).save(png, "PNG")
    with pytest.raises(MediaError, match="is a PNG picture, not an MP4"):
        open_clip(png.getvalue())


@pytest.mark.parametrize("playlist", ["#EXTM3U\n/etc/passwd", "ffconcat version 1.0\nfile x"])
def test_a_playlist_leads_nowhere(tmp_path, playlist):
    path = tmp_path / "clip.mp4"
    path.write_text(playlist)
    with pytest.raises(MediaError, match="is a text file"):
        open_clip(path)


@pytest.mark.parametrize("address", ["https://example.com/a.mp4", "concat:a.mp4", "rtsp://x/y"])
def test_nothing_is_fetched(address):
    with pytest.raises(MediaError, match="is an address, and clips are never fetched"):
        open_clip(address)


def test_sound_alone_is_no_clip():
    target = io.BytesIO()
    with av.open(target, "w", format="mp4") as writer:
        stream = writer.add_stream("aac", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.rate = 8000
        writer.mux(stream.encode(frame))
        writer.mux(stream.encode())
    with pytest.raises(MediaError, match="holds no pictures, only sound"):
        open_clip(target.getvalue())


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("not there.mp4", "there is no file not there.mp4"),
        (b"", r"is empty \(0 bytes\)"),
        (3, "a clip cannot be opened from int; give the path"),
        ([], "sequence of 0 pictures has no frames"),
        ([grey(0), grey(0, (8, 8))], "has frames of 8 x 8 and of 32 x 16 pixels; bring all"),
        (["nothing.png"], "there is no file nothing.png"),
    ],
)
def test_what_is_no_clip_is_refused(source, problem):
    with pytest.raises(MediaError, match=problem):
        open_clip(source)


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(MediaError, match="is empty; give one with a clip's frames"):
        open_clip(tmp_path)


@pytest.mark.parametrize(
    ("limits", "problem"),
    [
        ({"max_bytes": 100}, "more than the 100 allowed"),
        ({"max_pixels": 500}, "frames of 32 x 16 = 512 pixels, more than the 500 allowed"),
        ({"max_duration_s": 2.0}, r"lasts 2\.5 s, longer than the 2\.0 s allowed; cut it"),
        ({"max_total_pixels": 2000}, "gives 5 frames of 512 pixels, more than the 2,000 pixels"),
    ],
)
def test_limits_hold(limits, problem):
    with pytest.raises(MediaError, match=problem):
        open_clip(FILM, limits=ClipLimits(**limits))
    with pytest.raises(ConfigError, match="must be above 0"):
        ClipLimits(**{name: 0 * value for name, value in limits.items()})


@pytest.mark.parametrize("options", [{"fps": 0.0}, {"max_frames": 0}, {"source_fps": -1.0}])
def test_rates_must_be_above_zero(options):
    with pytest.raises(MediaError, match="must be above 0"):
        open_clip(FILM, **options)


def test_without_pyav_a_sentence_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'triptych\[video\]'"):
        open_clip(FILM)
    assert shown(open_clip([grey(0)])) == [0]
