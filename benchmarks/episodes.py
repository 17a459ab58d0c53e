"""Few-shot episodes: draw classes, teach with a few clips of each, ask about others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.estimates import Estimate, auroc, mean_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


UNKNOWN_TAKEN = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """How an episode is drawn."""

    ways: int
    shots: int
    queries: int
    """Of each class at most; fewer when its clips run out."""
    episodes: int
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What all episodes of one protocol came to."""

    accuracy: Estimate
    open_set_auroc: Estimate | None
    """Known against unknown queries by the best cosine; None when all classes are always in the episode."""
    open_set_recall: Estimate | None
    """Known queries taken for the right class, where one unknown query in a hundred is taken for any"""


class TooFewClips(Exception):
    """The rows picked cannot fill one episode."""


def run_episodes(
    embeddings: NDArray[np.float32], labels: Sequence[str], origins: Sequence[str], protocol: Protocol
) -> Outcome:
    """Judge unit embeddings [clips, dim] by the nearest prototype's cosine.

    Support and query of a class never share an origin; with every clip its own origin, they are merely
    different clips. Raises TooFewClips if there are not enough classes with enough clips.
    """
    classes = _usable_classes(labels, origins, protocol.shots)
    if len(classes) < protocol.ways:
        raise TooFewClips(
            f"{protocol.ways}-way {protocol.shots}-shot needs {protocol.ways} classes with enough clips "
            f"of different origin; {len(classes)} have them"
        )
    rng = np.random.default_rng(protocol.seed)
    known_share, separation, kept = [], [], []
    for _ in range(protocol.episodes):
        order = rng.permutation(len(classes))
        drawn = [draw(classes[at], origins, protocol, rng) for at in order[: protocol.ways]]
        others = [
            draw(classes[at], origins, protocol, rng)[1] for at in order[protocol.ways : 2 * protocol.ways]
        ]
        prototypes = np.stack([_unit(embeddings[support].mean(axis=0)) for support, _ in drawn])
        cosines = [embeddings[query] @ prototypes.T for _, query in drawn]
        hits = np.concatenate([found.argmax(axis=1) == way for way, found in enumerate(cosines)])
        known_share.append(hits.mean())
        if others:
            best_known = np.concatenate(cosines).max(axis=1)
            best_other = (embeddings[np.concatenate(others)] @ prototypes.T).max(axis=1)
            separation.append(auroc(best_known, best_other))
            kept.append((hits & (best_known > np.quantile(best_other, 1.0 - UNKNOWN_TAKEN))).mean())
    return Outcome(
        accuracy=mean_of(np.array(known_share)),
        open_set_auroc=mean_of(np.array(separation)) if separation else None,
        open_set_recall=mean_of(np.array(kept)) if kept else None,
    )


def draw(
    members: NDArray[np.intp], origins: Sequence[str], protocol: Protocol, rng: np.random.Generator
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Choose support and query rows of one class, from origins that have nothing to do with each other."""
    own = np.array([origins[row] for row in members])
    allowed = np.zeros(len(members), dtype=bool)
    for origin in rng.permutation(np.unique(own)):
        allowed |= own == origin
        if allowed.sum() >= protocol.shots:
            break
    support = rng.choice(members[allowed], protocol.shots, replace=False)
    rest = members[~allowed]
    query = rng.choice(rest, min(protocol.queries, len(rest)), replace=False)
    assert not set(support) & set(query), "a clip would be asked about that was taught"
    return support, query


def _usable_classes(labels: Sequence[str], origins: Sequence[str], shots: int) -> list[NDArray[np.intp]]:
    """Return the rows of each class that leaves a query behind, whichever origins its support comes from."""
    classes = []
    for label in sorted(set(labels)):
        members = np.array([row for row, other in enumerate(labels) if other == label])
        _, sizes = np.unique([origins[row] for row in members], return_counts=True)
        if len(members) - (shots - 1) - sizes.max() >= 1:
            classes.append(members)
    return classes


def _unit(vector: NDArray[np.float32]) -> NDArray[np.float32]:
    unit: NDArray[np.float32] = vector / max(float(np.linalg.norm(vector)), 1e-9)
    return unit
