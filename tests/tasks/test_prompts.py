"""What is asked by default is among what the embedded model is trained on."""

from triptych.data.worlds.documents.wordings import DOCUMENT_PHRASES
from triptych.data.worlds.scenes.words import PHRASES
from triptych.tasks.caption import DESCRIBE
from triptych.tasks.locate import LOCATE
from triptych.tasks.point import POINT
from triptych.tasks.read import EXTRACT, TRANSCRIBE


def test_default_prompts_are_wordings_of_the_training():
    assert DESCRIBE in PHRASES["caption"].seen
    assert LOCATE.replace("{phrase}", "{thing}") in PHRASES["locate"].seen
    assert POINT.replace("{phrase}", "{thing}") in PHRASES["point"].seen
    assert {EXTRACT, TRANSCRIBE} <= set(DOCUMENT_PHRASES["documents/json"].seen)
