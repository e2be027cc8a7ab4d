"""Questions of VQAv2, GQA, TextVQA, DocVQA and ChartQA, in the layouts they are published in."""

from pathlib import Path
from typing import Any

import pytest
from tests.data.drawn import write_json
from tests.toys import shared_data

from triptych.data.sources import ChartQa, Conversation, DocVqa, Gqa, TextVqa, VqaV2
from triptych.data.sources.turns import SHORT_ANSWER
from triptych.data.sources.vqa_v2 import most_frequent, soft_scores
from triptych.errors import ConfigError, DataError


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def exchanges(conversation: Conversation) -> list[tuple[str, str]]:
    """Questions without the instruction, and answers."""
    return [
        (messages[0]["content"][1]["text"], messages[1]["content"])
        for messages in (conversation.messages, *conversation.others)
    ]


def picture(conversation: Conversation) -> Path:
    pictures = {
        messages[0]["content"][0]["image"]
        for messages in (conversation.messages, *conversation.others)
    }
    [only] = pictures
    return only


# -- VQAv2 -----------------------------------------------------------------------------------------


def ten(*answers: str) -> list[dict[str, Any]]:
    return [
        {"answer_id": index, "answer": answer, "answer_confidence": "yes"}
        for index, answer in enumerate(answers, start=1)
    ]


@pytest.fixture
def vqa(tmp_path: Path) -> Path:
    questions = [
        {"image_id": 458752, "question": "What is it?", "question_id": 458752000},
        {"image_id": 262144, "question": "Is it dark?", "question_id": 262144000},
        {"image_id": 458752, "question": "What colour?", "question_id": 458752001},
    ]
    answers = {
        458752000: ten(*["net"] * 6, *["Mesh "] * 3, "fence"),
        262144000: ten(*["no"] * 10),
        458752001: ten(*["red"] * 5, *["orange"] * 5),
    }
    annotations = [
        {
            "question_id": question["question_id"],
            "image_id": question["image_id"],
            "question_type": "what",
            "answer_type": "other",
            "multiple_choice_answer": answers[question["question_id"]][0]["answer"],
            "answers": answers[question["question_id"]],
        }
        for question in questions
    ]
    write_json(tmp_path / "q.json", {"data_subtype": "train2014", "questions": questions})
    write_json(tmp_path / "a.json", {"data_subtype": "train2014", "annotations": annotations})
    for name in ("458752", "262144"):
        touch(tmp_path / "images" / f"COCO_train2014_{name:0>12}.jpg")
    return tmp_path


def vqa_source(**changes: Any) -> VqaV2:
    return VqaV2(questions="q.json", annotations="a.json", images="images", **changes)


def test_vqa_questions_about_one_picture_share_a_sample(vqa: Path):
    (first, second), ledger = vqa_source().read(vqa)
    assert first.sample_id == "458752"
    assert exchanges(first) == [("What is it?", "net"), ("What colour?", "red")]
    assert picture(first) == vqa / "images" / "COCO_train2014_000000458752.jpg"
    assert first.messages[0]["content"][2] == {"type": "text", "text": f"\n{SHORT_ANSWER}"}
    assert first.extra["questions"][0] == {
        "id": "458752000",
        "scores": {"net": 1.0, "mesh": 0.9, "fence": 0.3},
        "question_type": "what",
        "answer_type": "other",
    }
    assert exchanges(second) == [("Is it dark?", "no")]
    assert (ledger.num_kept, ledger.left_out) == (2, [])


def test_vqa_questions_may_stand_alone_and_without_an_instruction(vqa: Path):
    conversations, _ = vqa_source(together=1, instruction="").read(vqa)
    assert [each.sample_id for each in conversations] == ["458752000", "458752001", "262144000"]
    assert len(conversations[0].messages[0]["content"]) == 2


def test_a_vqa_question_without_annotation_or_picture_is_listed(vqa: Path):
    (vqa / "images" / "COCO_train2014_000000262144.jpg").unlink()
    import json

    annotations = json.loads((vqa / "a.json").read_text())
    write_json(vqa / "a.json", annotations | {"annotations": annotations["annotations"][1:]})
    conversations, ledger = vqa_source(tolerate=0.9).read(vqa)
    assert exchanges(conversations[0]) == [("What colour?", "red")]
    assert [(e.sample_id.partition(": ")[2], e.reason) for e in ledger.left_out] == [
        ("questions[0]", "no annotation"),
        ("questions[1]", "picture file missing"),
    ]


def test_pictures_of_coco_2017_have_shorter_names(vqa: Path):
    for path in list((vqa / "images").iterdir()):
        path.rename(path.with_name(path.name.removeprefix("COCO_train2014_")))
    conversations, _ = vqa_source(picture_name="{image_id:012d}.jpg").read(vqa)
    assert len(conversations) == 2
    with pytest.raises(ConfigError, match=r"write it with \{subset\} and \{image_id:012d\}"):
        vqa_source(picture_name="{number}.jpg")


def test_soft_scores_are_those_of_vqa_for_one_to_ten_who_agree():
    # https://visualqa.org/evaluation.html, averaged over all ten choose nine sets
    expected = [0.3, 0.6, 0.9] + [1.0] * 7
    got = [soft_scores(["a"] * n + [str(i) for i in range(10 - n)])["a"] for n in range(1, 11)]
    assert got == expected


def test_of_equally_frequent_answers_the_first_is_the_label():
    assert most_frequent(["b", "a", "a", "b"]) == "b"


# -- others ----------------------------------------------------------------------------------------


def test_gqa_is_read(tmp_path: Path):
    touch(tmp_path / "images" / "2354786.jpg")
    question = {
        "imageId": "2354786",
        "question": "Is the sky dark?",
        "answer": "yes",
        "fullAnswer": "Yes, the sky is dark.",
        "isBalanced": True,
        "types": {"structural": "verify"},
    }
    write_json(tmp_path / "gqa.json", {"02930152": question})
    [short], _ = Gqa(path="gqa.json", images="images").read(tmp_path)
    assert (short.sample_id, exchanges(short)) == ("2354786", [("Is the sky dark?", "yes")])
    assert short.extra["questions"][0]["id"] == "02930152"
    source = Gqa(path="gqa.json", images="images", answer="full", instruction="", together=1)
    [full], _ = source.read(tmp_path)
    assert exchanges(full) == [("Is the sky dark?", "Yes, the sky is dark.")]
    assert full.sample_id == "02930152"


def test_text_vqa_is_read(tmp_path: Path):
    touch(tmp_path / "train_images" / "0054c91397f2fe05.jpg")
    question = {
        "question": "what is the brand of phone?",
        "image_id": "0054c91397f2fe05",
        "image_width": 1024,
        "image_height": 730,
        "answers": ["toshiba", *["nokia"] * 9],
        "question_id": 0,
        "set_name": "train",
    }
    write_json(tmp_path / "t.json", {"dataset_type": "train", "data": [question]})
    [phone], _ = TextVqa(path="t.json", images="train_images").read(tmp_path)
    assert exchanges(phone) == [("what is the brand of phone?", "nokia")]
    assert phone.extra["questions"] == [{"id": "0", "scores": {"nokia": 1.0, "toshiba": 0.3}}]


@pytest.mark.parametrize("folder", ["documents", "."])
@pytest.mark.parametrize("key", ["image", "image_local_name"])
def test_doc_vqa_is_read(tmp_path: Path, folder: str, key: str):
    touch(tmp_path / "pages" / folder / "xnbl0037_1.png")
    question = {
        "questionId": 337,
        "question": "what is the date?",
        "question_types": ["handwritten"],
        key: "documents/xnbl0037_1.png",
        "answers": ["1/8/93", "January 8, 1993"],
    }
    write_json(tmp_path / "d.json", {"dataset_name": "SP-DocVQA", "data": [question]})
    [page], _ = DocVqa(path="d.json", images="pages").read(tmp_path)
    assert exchanges(page) == [("what is the date?", "1/8/93")]
    assert picture(page) == tmp_path / "pages" / folder / "xnbl0037_1.png"
    assert page.extra["questions"][0]["answers"] == ["1/8/93", "January 8, 1993"]


def test_chart_qa_is_read(tmp_path: Path):
    touch(tmp_path / "png" / "1.png")
    questions = [
        {"imgname": "1.png", "query": f"How many {n}?", "label": str(n)} for n in range(11)
    ]
    write_json(tmp_path / "c.json", questions)
    (first, second), _ = ChartQa(path="c.json", images="png").read(tmp_path)
    assert exchanges(first) == [(f"How many {n}?", str(n)) for n in range(8)]
    assert [first.sample_id, second.sample_id] == ["1.png", "1.png#2"]
    assert len(exchanges(second)) == 3


def test_the_real_chart_questions_are_read_without_a_loss():
    folder = shared_data("charts", "chartqa_test")
    source = ChartQa(path="questions.json", images="images", tolerate=0.0)
    conversations, ledger = source.read(folder)
    charts = {picture(each) for each in conversations}
    assert len(charts) == 700
    assert sum(len(exchanges(each)) for each in conversations) == 1145
    assert conversations[0].extra["questions"][0]["source"] == "augmented"
    assert ledger.left_out == []


def test_no_question_together_is_refused(tmp_path: Path):
    write_json(tmp_path / "c.json", [])
    (tmp_path / "png").mkdir()
    with pytest.raises(ConfigError, match="together must be at least 1"):
        ChartQa(path="c.json", images="png", together=0).read(tmp_path)
    with pytest.raises(DataError, match="holds no sample"):
        ChartQa(path="c.json", images="png").read(tmp_path)
