r"""How much of all classes a linear map of frozen embeddings tells: fitted on some folds, tested on one.

    python -m benchmarks.linear_probe --data DIR --where source=esc50 --where split=train \
        --where split=valid --test-fold 4 --encoder builtin --json

Embeddings are standardised on the fitting folds. The strength of regularisation is chosen inside them, each
fold left out once; the test fold has no say in anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.table import Table
from scipy.optimize import minimize
from scipy.special import logsumexp

from benchmarks.dataset import read_recordings
from benchmarks.encoders import HELP, load_encoder
from benchmarks.estimates import wilson
from benchmarks.few_shot import embed, loudest_second, whole_clip
from benchmarks.report import arguments, publish

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from benchmarks.estimates import Interval

STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
"""C of the logistic regression: the smaller, the simpler."""
MOST_STEPS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """A standardisation and a linear map to class scores."""

    mean: NDArray[np.float64]
    spread: NDArray[np.float64]
    weights: NDArray[np.float64]
    """[dim + 1, classes], the last row added to all"""

    def predict(self, embeddings: NDArray[np.floating[Any]]) -> NDArray[np.intp]:
        """Return the class of each row."""
        best: NDArray[np.intp] = _scores((embeddings - self.mean) / self.spread, self.weights).argmax(axis=1)
        return best


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What one way to decide on a clip came to."""

    accuracy: Interval
    strength: float
    inner_accuracy: float
    """With that strength, over the fitting folds, each left out once"""


def fit(
    embeddings: NDArray[np.floating[Any]], labels: NDArray[np.intp], classes: int, strength: float
) -> Probe:
    """Fit a multinomial logistic regression with L2 regularisation 1/C."""
    mean, spread = embeddings.mean(axis=0, dtype=np.float64), embeddings.std(axis=0, dtype=np.float64)
    spread = np.maximum(spread, 1e-6)
    known = (embeddings - mean) / spread
    wanted = np.eye(classes)[labels]
    penalty = 1.0 / (strength * len(labels))

    def loss(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        weights = flat.reshape(-1, classes)
        scores = _scores(known, weights)
        log_chances = scores - logsumexp(scores, axis=1, keepdims=True)
        error = (np.exp(log_chances) - wanted) / len(labels)
        slope = np.concatenate([known.T @ error + penalty * weights[:-1], error.sum(axis=0, keepdims=True)])
        value = -(wanted * log_chances).sum() / len(labels) + penalty / 2 * (weights[:-1] ** 2).sum()
        return float(value), slope.ravel()

    start = np.zeros((known.shape[1] + 1) * classes)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": MOST_STEPS})
    return Probe(mean=mean, spread=spread, weights=found.x.reshape(-1, classes))


def judge(
    embeddings: NDArray[np.float32], labels: Sequence[str], folds: Sequence[str], test_fold: str
) -> Judgement:
    """Choose the strength inside the fitting folds, fit on all of them, test once."""
    names, numbers = np.unique(labels, return_inverse=True)
    fold = np.array(folds)
    fitting = fold != test_fold
    inner = {
        strength: _inner_accuracy(embeddings, numbers, fold, fitting, strength) for strength in STRENGTHS
    }
    best = max(STRENGTHS, key=lambda strength: inner[strength])
    probe = fit(embeddings[fitting], numbers[fitting], len(names), best)
    hits = probe.predict(embeddings[~fitting]) == numbers[~fitting]
    return Judgement(accuracy=wilson(int(hits.sum()), len(hits)), strength=best, inner_accuracy=inner[best])


def _inner_accuracy(
    embeddings: NDArray[np.float32],
    labels: NDArray[np.intp],
    fold: NDArray[np.str_],
    fitting: NDArray[np.bool_],
    strength: float,
) -> float:
    hits = 0
    for left_out in np.unique(fold[fitting]):
        known, asked = fitting & (fold != left_out), fold == left_out
        probe = fit(embeddings[known], labels[known], int(labels.max()) + 1, strength)
        hits += int((probe.predict(embeddings[asked]) == labels[asked]).sum())
    return hits / int(fitting.sum())


def _scores(known: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    scores: NDArray[np.float64] = known @ weights[:-1] + weights[-1]
    return scores


def table(judgements: dict[str, Judgement], title: str) -> Table:
    """Lay the judgements out for people."""
    result = Table("decision", "accuracy", "C", "accuracy inside the fitting folds", title=title)
    for name, judgement in judgements.items():
        accuracy = judgement.accuracy
        result.add_row(
            name,
            f"{accuracy.value:.3f} ({accuracy.low:.3f}–{accuracy.high:.3f})",
            f"{judgement.strength:g}",
            f"{judgement.inner_accuracy:.3f}",
        )
    return result


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    """Run the benchmark and return what it published."""
    parser = arguments("benchmarks.linear_probe", "Accuracy of a linear classifier on frozen embeddings.")
    parser.add_argument("--encoder", default="builtin", help=HELP)
    parser.add_argument("--test-fold", default="4", help="value of the column `fold` that is only tested on")
    options = parser.parse_args(argv)
    recordings = read_recordings(options.data, options.where)
    folds = [recording.columns.get("fold", "") for recording in recordings]
    if options.test_fold not in folds or len(set(folds) - {options.test_fold}) < 2:
        raise SystemExit(
            f"needs rows of fold {options.test_fold} and of at least two others; got {set(folds)}"
        )
    labels = [recording.label for recording in recordings]
    encoder = load_encoder(options.encoder, each_hop=True)
    clips = embed(encoder, recordings)
    judgements = {
        name: judge(np.stack([decide(clip) for clip in clips]), labels, folds, options.test_fold)
        for name, decide in (("loudest second", loudest_second), ("whole clip", whole_clip))
    }
    return publish(
        "linear_probe",
        options,
        {
            "decisions": judgements,
            "encoder": encoder.id,
            "clips": {"fitted": sum(fold != options.test_fold for fold in folds), "all": len(folds)},
            "classes": sorted(set(labels)),
            "test_fold": options.test_fold,
        },
        table(judgements, f"Linear probe, {encoder.id.name}: {len(set(labels))} classes"),
    )


if __name__ == "__main__":
    main()
