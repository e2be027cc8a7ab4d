"""Ask a question about a clip."""

from triptych.generate import GenerationOptions
from triptych.media import Picture
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
    opened = responder.engine.open_clip(clip, fps, max_frames)
    message: Message = {
        "role": "user",
        "content": [{"type": "video", "video": opened}, {"type": "text", "text": question}],
    }
    middle = opened.frames[len(opened.frames) // 2]
    note = responder.note([Picture(middle, opened.width, opened.height, opened.source)])
    return responder.answer([[message]], options, [note])[0]
