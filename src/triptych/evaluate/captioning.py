"""Caption held-out pictures and score the captions as the official script does."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.progress import track

from triptych.evaluate.metrics.captions import CaptionScores, score_captions
from triptych.fusion.vlm import VLM
from triptych.generate import Completion, GenerationOptions, generate
from triptych.processor import EncodedImage, Processor, ask_about


@dataclass(frozen=True, slots=True)
class CaptionReport:
    """Captions of a split with their scores."""

    captions: Mapping[str, str]
    scores: CaptionScores
    share_ended: float
    """Share of captions whose end token was emitted before the length limit."""

    def summary(self) -> dict[str, float]:
        """The figures, under the names papers use."""
        bleu = {f"bleu_{n}": value for n, value in enumerate(self.scores.bleu, start=1)}
        return bleu | {
            "rouge_l": self.scores.rouge_l,
            "cider": self.scores.cider,
            "share_ended": self.share_ended,
            "num_pictures": len(self.captions),
        }


def caption_pictures(
    model: VLM,
    processor: Processor,
    names: Sequence[str],
    picture: Callable[[str], EncodedImage],
    options: GenerationOptions,
    *,
    batch_size: int = 50,
    prompt: str = "",
) -> dict[str, Completion]:
    """A caption for every picture."""
    captions: dict[str, Completion] = {}
    starts = range(0, len(names), batch_size)
    for start in track(starts, "captions", console=Console(stderr=True)):
        chunk = names[start : start + batch_size]
        samples = [
            processor.encode(
                ask_about([name], prompt),
                sample_id=name,
                add_generation_prompt=True,
                features=[picture(name)],
            )
            for name in chunk
        ]
        captions |= dict(zip(chunk, generate(model, processor, samples, options), strict=True))
    return captions


def report_captions(
    completions: Mapping[str, Completion], references: Mapping[str, Sequence[str]]
) -> CaptionReport:
    """Score completions against references of the same pictures."""
    captions = {name: each.text.strip() for name, each in completions.items()}
    ended = sum(each.ended for each in completions.values()) / max(1, len(completions))
    return CaptionReport(captions, score_captions(captions, references), ended)
