"""Which models transformers implements that hear clips among words, and what each can take."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One architecture."""

    network: str
    """Its class in transformers: of those with a voice, the part that understands."""
    clip_s: float
    """Longer clips would be cut by its processor, in silence."""
    sounds: bool = True
    """It was made for sounds other than speech as well."""
    many_clips: bool = True
    """In one prompt, so also examples."""
    left_out: str = ""
    """Tensors of the published file that hearing does not need, and are not loaded: a regular expression."""
    processor: str = ""
    """Its class in transformers where the model sees as well; it is opened without its eyes."""


_OMNI_2_5 = Kind(
    network="Qwen2_5OmniThinkerForConditionalGeneration",
    clip_s=300,
    left_out=r"(talker|token2wav)\..*",
    processor="Qwen2_5OmniProcessor",
)
_OMNI_3 = Kind(
    network="Qwen3OmniMoeThinkerForConditionalGeneration",
    clip_s=300,
    left_out=r"(talker|code2wav)\..*",
    processor="Qwen3OmniMoeProcessor",
)

KINDS = {
    "qwen2_audio": Kind(network="Qwen2AudioForConditionalGeneration", clip_s=30),
    "qwen2_5_omni": _OMNI_2_5,
    "qwen2_5_omni_thinker": _OMNI_2_5,
    "qwen3_omni_moe": _OMNI_3,
    "qwen3_omni_moe_thinker": _OMNI_3,
    "audioflamingo3": Kind(network="AudioFlamingo3ForConditionalGeneration", clip_s=600, many_clips=False),
    "musicflamingo": Kind(network="MusicFlamingoForConditionalGeneration", clip_s=1_200, many_clips=False),
    "glmasr": Kind(network="GlmAsrForConditionalGeneration", clip_s=600, sounds=False, many_clips=False),
    # Its processor cuts nothing; the prompt's positions are its limit.
    "voxtral": Kind(network="VoxtralForConditionalGeneration", clip_s=math.inf),
    "gemma3n": Kind(
        network="Gemma3nForConditionalGeneration",
        clip_s=30,
        left_out=r"model\.vision_tower\..*",
        processor="Gemma3nProcessor",
    ),
    "gemma4": Kind(
        network="Gemma4ForConditionalGeneration",
        clip_s=30,
        left_out=r"model\.(vision_tower|embed_vision)\..*",
        processor="Gemma4Processor",
    ),
}
"""By `model_type`."""
