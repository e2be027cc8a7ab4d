"""Ask a question about a clip."""

from triptych.generate import GenerationOptions
from triptych.media import Clip, Picture, open_clip
from triptych.processor import Message
from triptych.tasks.ask import check_question
from triptych.tasks.responding import Answer, Responder


def watch(
    responder: Responder,
    clip: object,
    question: str,
    options: GenerationOptions,
    fps: float | None,
    max_frames: int | None,
) -> Answer:
    """The answer to a question about a clip, sampled as the model's configuration says or as asked.

    Raises:
        UsageError: the question is empty.
        MediaError: the clip cannot be opened.
        TokenError: the model takes no clips.
    """
    check_question(question)
    opened = _open(responder, clip, fps, max_frames)
    message: Message = {
        "role": "user",
        "content": [{"type": "video", "video": opened}, {"type": "text", "text": question}],
    }
    middle = opened.frames[len(opened.frames) // 2]
    note = responder.note([Picture(middle, opened.width, opened.height, opened.source)])
    return responder.answer([responder.prompt([message])], options, [note])[0]


def _open(responder: Responder, clip: object, fps: float | None, max_frames: int | None) -> Clip:
    processor = responder.loaded.processor
    if not isinstance(clip, Clip):
        fps = processor.config.clips.fps if fps is None else fps
        max_frames = processor.config.clips.max_frames if max_frames is None else max_frames
    limits = processor.pictures.clip_limits
    return open_clip(clip, fps=fps, max_frames=max_frames, limits=limits)
