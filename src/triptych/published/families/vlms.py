"""Every family of published vision-language models."""

from triptych.published.families.blip2 import BLIP2_FAMILY
from triptych.published.families.git import GIT_FAMILY
from triptych.published.families.idefics import IDEFICS_FAMILY
from triptych.published.families.idefics3 import IDEFICS3_FAMILY
from triptych.published.families.internvl import INTERNVL_FAMILY
from triptych.published.families.internvl_chat import INTERNVL_CHAT_FAMILY
from triptych.published.families.kosmos2 import KOSMOS2_FAMILY
from triptych.published.families.llava import LLAVA_FAMILY
from triptych.published.families.llava_next import LLAVA_NEXT_FAMILY
from triptych.published.families.paligemma import PALIGEMMA_FAMILY
from triptych.published.families.qwen2_5_vl import QWEN2_5_VL_FAMILY
from triptych.published.families.qwen2_vl import QWEN2_VL_FAMILY

FAMILIES = (
    GIT_FAMILY,
    BLIP2_FAMILY,
    IDEFICS_FAMILY,
    QWEN2_VL_FAMILY,
    QWEN2_5_VL_FAMILY,
    LLAVA_FAMILY,
    LLAVA_NEXT_FAMILY,
    IDEFICS3_FAMILY,
    INTERNVL_FAMILY,
    INTERNVL_CHAT_FAMILY,
    PALIGEMMA_FAMILY,
    KOSMOS2_FAMILY,
)
"""Every family of published models that is read and written."""
