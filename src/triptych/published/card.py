"""What cards of exported models say alike, whichever the family."""

_BY_CHAT = """\
from transformers import AutoProcessor, CLASS

processor = AutoProcessor.from_pretrained("FOLDER")
model = CLASS.from_pretrained("FOLDER")
question = {"type": "text", "text": "What is in the picture?"}
inputs = processor.apply_chat_template(
    [{"role": "user", "content": [{"type": "image", "url": "photo.jpg"}, question]}],
    add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt",
)
answer = model.generate(**inputs, max_new_tokens=64)
new_tokens = answer[:, inputs["input_ids"].shape[1]:]
print(processor.batch_decode(new_tokens, skip_special_tokens=True)[0])
"""

_NEEDS_TORCHVISION = "# AutoProcessor of this family needs torchvision.\n"


def loading_by_chat(class_name: str, *, needs_torchvision: bool = False) -> str:
    """How transformers loads and asks a model of this class, through its chat template."""
    code = _BY_CHAT.replace("CLASS", class_name)
    return _NEEDS_TORCHVISION + code if needs_torchvision else code
