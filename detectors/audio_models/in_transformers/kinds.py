"""Which models transformers implements that hear clips among words, and what each can take."""

from __future__ import annotations

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
    """Tensors of the published file that the network has no part for: a regular expression."""


KINDS = {
    "qwen2_audio": Kind(network="Qwen2AudioForConditionalGeneration", clip_s=30),
    "qwen2_5_omni": Kind(
        network="Qwen2_5OmniThinkerForConditionalGeneration", clip_s=300, left_out=r"(talker|token2wav)\..*"
    ),
    "qwen2_5_omni_thinker": Kind(network="Qwen2_5OmniThinkerForConditionalGeneration", clip_s=300),
    "qwen3_omni_moe": Kind(
        network="Qwen3OmniMoeThinkerForConditionalGeneration", clip_s=300, left_out=r"(talker|code2wav)\..*"
    ),
    "qwen3_omni_moe_thinker": Kind(network="Qwen3OmniMoeThinkerForConditionalGeneration", clip_s=300),
    "audioflamingo3": Kind(network="AudioFlamingo3ForConditionalGeneration", clip_s=600, many_clips=False),
    "musicflamingo": Kind(network="MusicFlamingoForConditionalGeneration", clip_s=600, many_clips=False),
    "glmasr": Kind(network="GlmAsrForConditionalGeneration", clip_s=600, sounds=False, many_clips=False),
}
"""By `model_type`."""
