"""Open one clip from wherever it comes, safely, as a few frames of one size.

A clip is untrusted input, as a picture is. Its kind is decided by its content and the demuxer is
chosen accordingly, so a playlist named `.mp4` leads nowhere; size, frames and duration are read
before a frame is decoded; what goes wrong becomes one `MediaError` sentence. Sampled frame k is
what is on the screen k / fps seconds after the beginning.

    file, bytes             mp4, mov, avi, mkv, webm, animated gif (PyAV, the extra `video`)
    folder, list, array     pictures in order
"""

import io
import math
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from triptych.errors import ConfigError, MediaError, MissingExtraError
from triptych.media.content import guess_kind
from triptych.media.opening import Limits, open_image
from triptych.media.reading import read_file, shorten, too_many_bytes

DEFAULT_FPS = 2.0
"""Frames taken a second when nothing else is asked for, as Qwen2-VL does."""

DEFAULT_MAX_FRAMES = 768

_DEMUXERS = {
    b"\x1aE\xdf\xa3": "matroska",
    b"GIF87a": "gif",
    b"GIF89a": "gif",
}
_ATOMS = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")
"""What a QuickTime or MP4 file may begin with, behind four bytes of length."""

_EPSILON_S = 1e-6


@dataclass(frozen=True, kw_only=True, slots=True)
class ClipLimits:
    """What is refused before it is decoded."""

    max_bytes: int = 200 * 2**20
    """Size of the encoded clip."""

    max_pixels: int = 4096 * 2304
    """Width times height of a frame, read from the header."""

    max_duration_s: float = 3600.0
    """All of it is decoded up to the last frame that is taken."""

    max_total_pixels: int = 10**9
    """Of all frames that are taken; three bytes each."""

    def __post_init__(self) -> None:
        if min(self.max_bytes, self.max_pixels, self.max_total_pixels) < 1 or not (
            self.max_duration_s > 0
        ):
            raise ConfigError(f"limits of clips must be above 0, got {self}")


@dataclass(frozen=True, slots=True)
class Clip:
    """Frames of a clip, already sampled.

    Raises:
        MediaError: there is no frame, or they have different sizes.
    """

    frames: tuple[Image.Image, ...]
    """In order, the right way up, mode RGB, all of one size."""
    fps: float
    """Of these frames."""
    duration_s: float
    """Of the clip they were taken from."""
    source: str
    """A short description for messages."""

    def __post_init__(self) -> None:
        if not self.frames:
            raise MediaError(f"{self.source} has no frames; give at least one picture")
        sizes = sorted({frame.size for frame in self.frames})
        if len(sizes) > 1:
            (width, height), (other_width, other_height) = sizes[0], sizes[-1]
            raise MediaError(
                f"{self.source} has frames of {width} x {height} and of {other_width} x "
                f"{other_height} pixels; bring all of them to one size"
            )

    @property
    def width(self) -> int:
        """In pixels."""
        return self.frames[0].width

    @property
    def height(self) -> int:
        """In pixels."""
        return self.frames[0].height

    def padded(self, multiple: int) -> "Clip":
        """The last frame repeated until their number is a multiple of `multiple`."""
        missing = -len(self.frames) % multiple
        return replace(self, frames=self.frames + self.frames[-1:] * missing)


def open_clip(
    source: object,
    *,
    fps: float | None = None,
    max_frames: int | None = None,
    source_fps: float | None = None,
    limits: ClipLimits | None = None,
) -> Clip:
    """Open a path, bytes, a folder or a sequence of pictures, or an array of frames.

    Args:
        source: A `Clip` is taken as it is, but for `fps` and `max_frames` where these are given.
        fps: Frames taken a second, at most as many as there are; None for 2. Pictures of unknown
            rate are taken to be sampled at this rate already.
        max_frames: Frames taken at most, by sampling more slowly; None for 768.
        source_fps: How fast the pictures of a folder or a sequence follow each other.
        limits: What is refused.

    Raises:
        MediaError: the clip is missing, empty, too large, too long, broken, or not a clip at all.
        MissingExtraError: a video file is given and PyAV is not installed.
    """
    limits = limits or ClipLimits()
    for name, value in (("fps", fps), ("max_frames", max_frames), ("source_fps", source_fps)):
        if value is not None and not 0 < value < math.inf:
            raise MediaError(f"{name} must be above 0, got {value}")
    if isinstance(source, Clip):
        return _thinned(source, fps or source.fps, max_frames or len(source.frames))
    rate, most = fps or DEFAULT_FPS, max_frames or DEFAULT_MAX_FRAMES
    if isinstance(source, bytes | bytearray):
        return _from_bytes(bytes(source), "clip given as bytes", rate, most, limits)
    if isinstance(source, str | os.PathLike):
        path = os.fspath(cast("str | os.PathLike[str]", source))
        if not Path(path).is_dir():
            return _from_path(path, rate, most, limits)
        return _thinned(_from_folder(path, source_fps or rate, limits), rate, most)
    pictures = _as_list(source)
    if pictures is not None:
        name = f"sequence of {len(pictures)} pictures"
        return _thinned(_from_pictures(pictures, name, source_fps or rate, limits), rate, most)
    raise MediaError(
        f"a clip cannot be opened from {type(source).__name__}; give the path of a video or of a "
        "folder of pictures, bytes, a list of pictures, or an array of frames"
    )


def _as_list(source: object) -> Sequence[object] | None:
    if isinstance(source, np.ndarray):
        frames = cast(NDArray[np.generic], source)
        return list(frames) if frames.ndim == 4 else None
    return cast(Sequence[object], source) if isinstance(source, list | tuple) else None


# -- pictures ------------------------------------------------------------------------------------


def _from_folder(path: str, fps: float, limits: ClipLimits) -> Clip:
    names = [name for name in os.listdir(path) if not name.startswith(".")]
    if not names:
        raise MediaError(f"the folder {shorten(path)} is empty; give one with a clip's frames")
    return _from_pictures(
        [os.path.join(path, name) for name in sorted(names, key=_in_counting_order)],
        f"folder {shorten(path)}",
        fps,
        limits,
    )


def _in_counting_order(name: str) -> list[tuple[int, int | str]]:
    """frame2 before frame10."""
    parts = re.split(r"(\d+)", name)
    return [(0, int(part)) if part.isdecimal() else (1, part) for part in parts]


def _from_pictures(pictures: Sequence[object], name: str, fps: float, limits: ClipLimits) -> Clip:
    frames: list[Image.Image] = []
    picture_limits = Limits(max_pixels=limits.max_pixels)
    for picture in pictures:
        frames.append(open_image(picture, limits=picture_limits).rgb)
        _check_total(len(frames), frames[0].width * frames[0].height, name, limits)
    return Clip(tuple(frames), fps, len(frames) / fps, name)


def _thinned(clip: Clip, fps: float, max_frames: int) -> Clip:
    """The clip at a lower rate, or as it is."""
    rate = min(fps, clip.fps, max_frames * clip.fps / len(clip.frames))
    if rate >= clip.fps:
        return clip
    times = _times(len(clip.frames) / clip.fps, rate)
    frames = tuple(clip.frames[math.floor(time * clip.fps + _EPSILON_S)] for time in times)
    return replace(clip, frames=frames, fps=rate)


# -- files ---------------------------------------------------------------------------------------


def _from_path(path: str, fps: float, max_frames: int, limits: ClipLimits) -> Clip:
    if re.match(r"[a-z][a-z0-9+.-]+:", path, re.IGNORECASE):
        raise MediaError(
            f"{shorten(path)} is an address, and clips are never fetched from the network; "
            "download it first and give the file"
        )
    content = read_file(path, limits.max_bytes, "clip")
    return _from_bytes(content, shorten(path), fps, max_frames, limits)


def _from_bytes(content: bytes, name: str, fps: float, max_frames: int, limits: ClipLimits) -> Clip:
    if not content:
        raise MediaError(f"{name} is empty (0 bytes); copy or download it again")
    if len(content) > limits.max_bytes:
        raise too_many_bytes(name, len(content), limits.max_bytes)
    demuxer = _demuxer(content)
    if demuxer is None:
        raise MediaError(
            f"{name} is {guess_kind(content)}, not an MP4, MOV, AVI, MKV or WebM video or an "
            "animated GIF; save the clip as one of these"
        )
    try:
        import av
    except ImportError as error:
        raise MissingExtraError("av", "video", "opening a video file") from error
    try:
        with av.open(io.BytesIO(content), format=demuxer) as container:
            return _decode(container, name, fps, max_frames, limits)
    except MediaError:
        raise
    except MemoryError as error:
        raise MediaError(f"{name} does not fit into memory; sample fewer frames") from error
    except Exception as error:  # demuxers and decoders raise anything on damaged input
        raise _broken(name) from error


def _demuxer(content: bytes) -> str | None:
    for signature, demuxer in _DEMUXERS.items():
        if content.startswith(signature):
            return demuxer
    if content[:4] == b"RIFF" and content[8:12] == b"AVI ":
        return "avi"
    is_still = content[4:8] == b"ftyp" and content[8:11] in (b"hei", b"avi")
    return "mov" if content[4:8] in _ATOMS and not is_still else None


def _decode(container: Any, name: str, fps: float, max_frames: int, limits: ClipLimits) -> Clip:
    if not container.streams.video:
        if not container.streams.audio:
            raise _broken(name)
        raise MediaError(f"{name} holds no pictures, only sound; give a clip with video")
    stream = container.streams.video[0]
    num_pixels = stream.width * stream.height
    if num_pixels > limits.max_pixels:
        raise MediaError(
            f"{name} has frames of {stream.width} x {stream.height} = {num_pixels:,} pixels, more "
            f"than the {limits.max_pixels:,} allowed; make it smaller or raise max_pixels"
        )
    duration_s, num_frames = _measure(container, stream, name)
    if duration_s > limits.max_duration_s:
        raise MediaError(
            f"{name} lasts {duration_s:,.1f} s, longer than the {limits.max_duration_s:,.1f} s "
            "allowed; cut it or raise max_duration_s"
        )
    rate = min(fps, num_frames / duration_s, max_frames / duration_s)
    times = _times(duration_s, rate)
    _check_total(len(times), num_pixels, name, limits)
    container.seek(0)
    stream.thread_type = "AUTO"
    shown = _on_screen(container.decode(stream), times, duration_s / num_frames)
    frames = tuple(_to_image(frame, name, limits) for frame in shown)
    if not frames:
        raise _broken(name)
    return Clip(frames, rate, duration_s, name)


def _measure(container: Any, stream: Any, name: str) -> tuple[float, int]:
    """Duration and number of frames, from the packets themselves and not from a header's word."""
    packets = [packet for packet in container.demux(stream) if packet.size]
    if not packets or packets[-1].is_corrupt or len(packets) < stream.frames:
        raise _broken(name)
    ticks = sorted(
        (packet.dts if packet.pts is None else packet.pts, packet.duration or 0)
        for packet in packets
        if packet.pts is not None or packet.dts is not None
    )
    interval = 1 / float(stream.average_rate or DEFAULT_FPS)
    if not ticks:
        return interval * len(packets), len(packets)
    tick_s = float(stream.time_base)
    end_s = ticks[-1][0] * tick_s + (ticks[-1][1] * tick_s or interval)
    if len(container.streams) == 1 and container.duration is not None:
        promised_s = container.duration / 1e6  # sound may last longer than pictures
        if end_s + max(2 * interval, 0.02 * promised_s) < promised_s:
            raise _broken(name)
    return end_s - ticks[0][0] * tick_s, len(packets)


def _times(duration_s: float, fps: float) -> list[float]:
    return [index / fps for index in range(max(1, math.ceil(duration_s * fps - _EPSILON_S)))]


def _on_screen(frames: Iterable[Any], times: Sequence[float], interval_s: float) -> Iterator[Any]:
    """What is on the screen at each of these times, counted from the first frame."""
    wanted = iter(times)
    time, shown, first = next(wanted, None), None, None
    for index, frame in enumerate(frames):
        starts = index * interval_s if frame.time is None else frame.time
        first = starts if first is None else first
        while shown is not None and time is not None and time < starts - first - _EPSILON_S:
            yield shown
            time = next(wanted, None)
        if time is None:
            return
        shown = frame
    while shown is not None and time is not None:
        yield shown
        time = next(wanted, None)


def _to_image(frame: Any, name: str, limits: ClipLimits) -> Image.Image:
    """The frame the right way up; the header's word on its size is not enough."""
    if frame.width * frame.height > limits.max_pixels:
        raise MediaError(f"{name} has larger frames than its header says; save it anew")
    image = cast(Image.Image, frame.to_image())
    turn = getattr(frame, "rotation", 0)  # counter-clockwise, as photographs are turned by EXIF
    return image.rotate(turn, expand=True) if turn else image


def _check_total(num_frames: int, num_pixels: int, name: str, limits: ClipLimits) -> None:
    if num_frames * num_pixels > limits.max_total_pixels:
        raise MediaError(
            f"{name} gives {num_frames} frames of {num_pixels:,} pixels, more than the "
            f"{limits.max_total_pixels:,} pixels allowed together; lower fps or max_frames"
        )


def _broken(name: str) -> MediaError:
    return MediaError(
        f"{name} is damaged or cut off and cannot be decoded as a clip; copy or download it "
        "again, or save it anew"
    )
