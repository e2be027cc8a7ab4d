"""The before/after picture sheet of a captioning run."""

from collections.abc import Mapping, Sequence

from PIL.Image import Image

from triptych.data.sources.flickr8k import CaptionedImage
from triptych.media import SheetLine, SheetRow, open_image, sheet


def caption_sheet(
    items: Sequence[CaptionedImage],
    untrained: Mapping[str, str],
    trained: Mapping[str, str],
) -> Image:
    """Held-out pictures with what the model said before and after training, and a person."""
    rows = [
        SheetRow(
            picture=open_image(item.path).rgb,
            lines=(
                SheetLine("untrained", untrained[item.image_id]),
                SheetLine("trained", trained[item.image_id]),
                SheetLine("reference", item.captions[0]),
            ),
        )
        for item in items
    ]
    return sheet(rows, title="Held-out pictures, before and after training")
