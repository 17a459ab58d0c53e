"""The published names of EfficientAT's mn family, and what they say of a network."""

from __future__ import annotations

import re
from dataclasses import dataclass

_NAME = re.compile(
    r"mn(?P<tenths>01|02|04|05|10|20|30|40)"
    r"(?:_as(?:_ext|_no_im_pre)?(?:_hop_(?P<hop>5|15|20|25)|_mels_(?P<mels>40|64|256))?(?:_?\(\d\))?)?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MnVariant:
    """One network of the family: MobileNetV3-Large, wider or narrower, on a finer or a coarser picture."""

    width: float
    mels: int = 128
    mel_hop_ms: int = 10


def parse_mn(name: str) -> MnVariant | None:
    """Read a name such as `mn04`, `mn40_as_ext` or `mn10_as_hop_15`; None where it is none of the family's.

    Networks with another head or other strides (`mn10_as_fc…`), and those that never heard sounds (`…_im`),
    are not among them.
    """
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    return MnVariant(
        width=int(found["tenths"]) / 10,
        mels=int(found["mels"] or 128),
        mel_hop_ms=int(found["hop"] or 10),
    )
