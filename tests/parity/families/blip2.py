"""BLIP-2 beside transformers: a picture a text, several a text, and as a retriever."""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from PIL import Image
from tests.checkpoint import published_blip2
from tests.laws.debug_models import picture
from tests.parity.measuring import Given, measured
from tests.parity.rows import ParityRow
from torch import Tensor

from triptych.checkpoint.layouts import import_model
from triptych.checkpoint.scorers import LoadedScorer, import_scorer
from triptych.inputs import ModelInputs
from triptych.processor import ask_about

ONE_PICTURE = [
    ask_about([picture(0, 40, 60)], "what is it?"),
    ask_about([picture(1, 90, 50)], "is there a blue square to the left?"),
]
SEVERAL = [
    ask_about([picture(2, 64, 48), picture(3, 33, 80)], "what changed?"),
    [*ask_about([picture(4, 32, 32)], "hi"), *ask_about([picture(5, 90, 50)], "and here?")],
    ask_about([picture(6, 10, 300)]),
]
BATCHES = {"one picture": ONE_PICTURE, "several pictures": SEVERAL}

SEED = 38
"""Of weights whose answers are not one word over and over."""

PICTURES = [picture(0, 70, 110), picture(1, 91, 60)]
TEXTS = ["A photo of a DOG", "a red circle to the left of a blue square?", "x"]


def given_to(inputs: ModelInputs) -> dict[str, Tensor]:
    return {
        "input_ids": inputs.token_ids,
        "attention_mask": inputs.token_mask.long(),
        "pixel_values": torch.stack(list(inputs.images)),
    }


def seen_by(reference: Any) -> Callable[[Given], list[Tensor]]:
    return lambda given: list(reference.vision_model(given["pixel_values"]).last_hidden_state)


def visual_of(reference: Any) -> Callable[[Given], list[Tensor]]:
    def visual(given: Given) -> list[Tensor]:
        seen = reference.vision_model(given["pixel_values"]).last_hidden_state
        queries = reference.query_tokens.expand(len(seen), -1, -1)
        hidden = reference.qformer(query_embeds=queries, encoder_hidden_states=seen)
        return list(reference.language_projection(hidden.last_hidden_state))

    return visual


def generative() -> list[ParityRow]:
    """A row for each batch."""
    reference = published_blip2.blip2(seed=SEED)
    with TemporaryDirectory() as name:
        published_blip2.save(Path(name), reference)
        ours = import_model(Path(name))
    return [
        measured(
            f"BLIP-2 ({title})",
            ours,
            reference,
            conversations,
            given_to,
            vision=seen_by(reference),
            connector=visual_of(reference),
        )
        for title, conversations in BATCHES.items()
    ]


class TheirRetriever:
    """What transformers makes of a folder."""

    def __init__(self, folder: Path) -> None:
        import transformers

        self.processor: Any = transformers.AutoProcessor.from_pretrained(folder)
        self.model: Any = transformers.Blip2ForImageTextRetrieval.from_pretrained(
            folder, attn_implementation="eager"
        ).eval()

    def inputs(self, pictures: list[Any], texts: list[str]) -> Any:
        """All by their processor."""
        images = [Image.fromarray(each) for each in pictures]
        return self.processor(images=images, text=texts, padding=True, return_tensors="pt")

    def similarities(self, given: Any) -> Tensor:
        """ITC, every picture with every text."""
        return self.model(**given).logits_per_image

    def matches(self, given: Any) -> Tensor:
        """ITM, probabilities of every picture with every text."""
        columns: list[Tensor] = []
        for index in range(len(given["input_ids"])):
            text = {
                name: given[name][index : index + 1].expand(len(given["pixel_values"]), -1)
                for name in ("input_ids", "attention_mask")
            }
            pair = {**text, "pixel_values": given["pixel_values"]}
            logits = self.model(**pair, use_image_text_matching_head=True).logits_per_image
            columns.append(logits.softmax(dim=1)[:, 1])
        return torch.stack(columns, dim=1)


@torch.no_grad()
def compare(ours: LoadedScorer, theirs: TheirRetriever) -> ParityRow:
    """The differences on pictures of two sizes and texts of three lengths."""
    given = theirs.inputs(PICTURES, TEXTS)
    inputs = ours.processor.encode(PICTURES, TEXTS)
    scores = ours.model.score(inputs)
    seen = theirs.model.vision_model(given["pixel_values"]).last_hidden_state
    vision = ours.model.vision(inputs.pixels).sequence()
    matches = theirs.matches(given)
    return ParityRow(
        family="BLIP-2 retrieval",
        vision=float((vision - seen).abs().max()),
        connector=float((scores.similarities - theirs.similarities(given)).abs().max()),
        output=float((scores.probabilities - matches).abs().max()),
        spread=float(matches.std()),
    )


def retrieval() -> list[ParityRow]:
    """Under connector stands ITC, the cosine; under output ITM, the probability."""
    with TemporaryDirectory() as name:
        published_blip2.save(Path(name), published_blip2.retriever())
        return [compare(import_scorer(Path(name)), TheirRetriever(Path(name)))]


def rows() -> list[ParityRow]:
    return generative() + retrieval()
