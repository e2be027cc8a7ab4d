"""CLIP and SigLIP beside transformers: every picture with every text."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from PIL import Image
from tests.checkpoint import published_dual
from tests.laws.debug_models import picture
from tests.parity.rows import ParityRow

from triptych.checkpoint.scorers import LoadedScorer, import_scorer

PICTURES = [picture(0, 70, 110), picture(1, 91, 60), picture(2, 20, 300)]
TEXTS = [
    "A photo of a DOG",
    "a red circle to the left of a blue square, isn't it?",
    "x",
    "e\u0301 123  white\n cross",
]

KINDS: dict[str, tuple[str, Any]] = {
    "CLIP": ("CLIPModel", published_dual.clip),
    "CLIP (old end token)": ("CLIPModel", lambda: published_dual.clip(old_end=True, seed=1)),
    "SigLIP": ("SiglipModel", published_dual.siglip),
}


class TheirDual:
    """What transformers makes of a folder."""

    def __init__(self, folder: Path, class_name: str) -> None:
        import transformers

        self.processor: Any = transformers.AutoProcessor.from_pretrained(folder)
        model_class: Any = getattr(transformers, class_name)
        self.model: Any = model_class.from_pretrained(folder, attn_implementation="eager").eval()

    def inputs(self, pictures: list[Any], texts: list[str]) -> Any:
        """All by their processor."""
        padding = "max_length" if self.model.config.model_type == "siglip" else True
        images = [Image.fromarray(each) for each in pictures]
        return self.processor(images=images, text=texts, padding=padding, return_tensors="pt")


@torch.no_grad()
def compare(family: str, ours: LoadedScorer, theirs: TheirDual) -> ParityRow:
    """The differences on pictures of several sizes and texts of several lengths."""
    given = theirs.inputs(PICTURES, TEXTS)
    inputs = ours.processor.encode(PICTURES, TEXTS)
    assert torch.equal(inputs.token_ids, given["input_ids"])
    others = theirs.model(**given, return_loss=False)
    last = others.vision_model_output.last_hidden_state
    # CLIP's last norm stands in front of its pooling there, SigLIP's is in the output already.
    is_clip = theirs.model.config.model_type == "clip"
    last = theirs.model.vision_model.post_layernorm(last) if is_clip else last
    vision = ours.model.vision(inputs.pixels).sequence()
    images = ours.model.embed_images(inputs.pixels)
    scores = ours.model(inputs)
    return ParityRow(
        family=family,
        vision=float((vision - last).abs().max()),
        connector=float((images - others.image_embeds).abs().max()),
        output=float((scores - others.logits_per_image).abs().max()),
        spread=float(others.logits_per_image.std()),
    )


def rows() -> list[ParityRow]:
    """One for each kind, from messages on by each side's own files."""
    found: list[ParityRow] = []
    for family, (class_name, build) in KINDS.items():
        with TemporaryDirectory() as name:
            folder = Path(name)
            published_dual.save(folder, build())
            found.append(compare(family, import_scorer(folder), TheirDual(folder, class_name)))
    return found
