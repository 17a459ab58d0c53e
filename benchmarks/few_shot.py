"""How well an encoder tells new classes apart after one and after five examples of each.

python -m benchmarks.few_shot --data DIR --where split=novel --encoder builtin --json

The figures at the top of the JSON are of decisions over the whole clip; `loudest_second` holds those of the
one decision at the end of each clip's loudest second.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from rich.table import Table

from benchmarks.dataset import read_recordings
from benchmarks.encoders import HELP, load_encoder
from benchmarks.episodes import Outcome, Protocol, TooFewClips, run_episodes
from benchmarks.report import arguments, progress, publish
from fewshot_profiles.embedding import embed_framed, frame_clip

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from benchmarks.dataset import Recording
    from detectors.encoders import Encoder
    from fewshot_profiles.embedding import ClipEmbeddings

WAYS = 5
SHOTS = (1, 5)
WINDOW_HOPS = 12  # 0.96 s: "the loudest second"
BATCH_CLIPS = 64


def energy_of_the_second(clip: ClipEmbeddings) -> NDArray[np.float64]:
    """Return the energy of the second that each hop closes: what its embedding tells of."""
    energy = np.concatenate([[0.0], np.cumsum(10.0 ** (clip.level_dbfs.astype(np.float64) / 10.0))])
    first = np.maximum(np.arange(1, len(energy)) - WINDOW_HOPS, 0)
    recent: NDArray[np.float64] = energy[1:] - energy[first]
    return recent


def loudest_second(clip: ClipEmbeddings) -> NDArray[np.float32]:
    """Return the one decision at the end of the second that holds the most energy."""
    embedding: NDArray[np.float32] = clip.hops[int(np.argmax(energy_of_the_second(clip)))]
    return embedding


def whole_clip(clip: ClipEmbeddings) -> NDArray[np.float32]:
    """Return the mean over all hops, of unit length; silence weighs little, zero padding nothing."""
    amplitudes = np.sqrt(energy_of_the_second(clip)) + 1e-9
    mean = (amplitudes / amplitudes.sum()).astype(np.float32) @ clip.hops
    embedding: NDArray[np.float32] = mean / max(float(np.linalg.norm(mean)), 1e-9)
    return embedding


def centred(embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
    """Take away what all clips share, which some encoders have much of; unit vectors again."""
    apart = embeddings - embeddings.mean(axis=0)
    units: NDArray[np.float32] = apart / np.maximum(np.linalg.norm(apart, axis=1, keepdims=True), 1e-9)
    return units


def embed(encoder: Encoder, recordings: Sequence[Recording]) -> list[ClipEmbeddings]:
    """Embed every recording from a fresh state, as the live pipeline would."""
    clips: list[ClipEmbeddings] = []
    for first in progress(range(0, len(recordings), BATCH_CLIPS), "Embedding"):
        batch = recordings[first : first + BATCH_CLIPS]
        clips += embed_framed(encoder, [frame_clip(*recording.load()) for recording in batch])
    return clips


def judge(
    embeddings: NDArray[np.float32], recordings: Sequence[Recording], options: argparse.Namespace
) -> dict[str, dict[int, Outcome]]:
    """Run all episodes: compatible (support and query are different clips), and from disjoint origins."""
    labels = [recording.label for recording in recordings]
    origins = {
        "compatible": [str(row) for row in range(len(recordings))],
        "source_disjoint": [recording.origin for recording in recordings],
    }
    return {
        sampling: {
            shots: run_episodes(
                embeddings,
                labels,
                origin,
                Protocol(
                    ways=WAYS,
                    shots=shots,
                    queries=options.queries,
                    episodes=options.episodes,
                    seed=options.seed,
                ),
            )
            for shots in SHOTS
        }
        for sampling, origin in origins.items()
    }


def figures(outcomes: dict[str, dict[int, Outcome]]) -> dict[str, Any]:
    """Lay the outcomes out as the JSON has them."""
    compatible, disjoint = outcomes["compatible"], outcomes["source_disjoint"]
    return {
        "five_way": {shots: outcome.accuracy for shots, outcome in compatible.items()},
        "five_way_source_disjoint": {shots: outcome.accuracy for shots, outcome in disjoint.items()},
        "open_set_auroc": {shots: outcome.open_set_auroc for shots, outcome in compatible.items()},
        "open_set_recall": {shots: outcome.open_set_recall for shots, outcome in compatible.items()},
    }


def table(variants: dict[str, dict[str, dict[int, Outcome]]], title: str) -> Table:
    """Lay the outcomes out for people."""
    result = Table(
        "decision",
        "sampling",
        "1-shot",
        "5-shot",
        "open set AUROC (5)",
        "right at 1 % unknown (5)",
        title=title,
    )
    for variant, outcomes in variants.items():
        for sampling, by_shots in outcomes.items():
            accuracies = [str(by_shots[shots].accuracy) for shots in SHOTS]
            last = by_shots[SHOTS[-1]]
            unknown = [str(figure or "–") for figure in (last.open_set_auroc, last.open_set_recall)]
            result.add_row(variant, sampling, *accuracies, *unknown)
    return result


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    """Run the benchmark and return what it published."""
    parser = arguments("benchmarks.few_shot", "5-way accuracy after one and five examples.")
    parser.add_argument("--encoder", default="builtin", help=HELP)
    parser.add_argument("--episodes", type=int, default=2_000)
    parser.add_argument("--queries", type=int, default=15, help="of each class in an episode, at most")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--centred", action="store_true", help="take the mean of all clips away first; labels are not used"
    )
    options = parser.parse_args(argv)
    recordings = read_recordings(options.data, options.where)
    encoder = load_encoder(options.encoder, each_hop=True)
    clips = embed(encoder, recordings)
    decisions = {
        "loudest second": np.stack([loudest_second(clip) for clip in clips]),
        "whole clip": np.stack([whole_clip(clip) for clip in clips]),
    }
    if options.centred:
        decisions = {name: centred(embeddings) for name, embeddings in decisions.items()}
    try:
        variants = {name: judge(embeddings, recordings, options) for name, embeddings in decisions.items()}
    except TooFewClips as error:
        raise SystemExit(str(error)) from error
    classes = sorted({recording.label for recording in recordings})
    return publish(
        "few_shot",
        options,
        {
            "decision": "whole clip",
            **figures(variants["whole clip"]),
            "loudest_second": figures(variants["loudest second"]),
            "encoder": encoder.id,
            "clips": len(recordings),
            "classes": classes,
            "episodes": options.episodes,
            "queries_per_class": options.queries,
            "seed": options.seed,
            "centred": options.centred,
        },
        table(variants, f"Few-shot, {encoder.id.name}: {len(recordings)} clips of {len(classes)} classes"),
    )


if __name__ == "__main__":
    main()
