"""What an evaluation tells beside its loss, by the names of EVAL_METRICS in `protocol/spec.ts`.

scikit-learn computes what classification and regression tell, scipy the correlations, TRL the accuracy of tokens. Each
`…_metrics` makes a function of (the model's outputs, the targets) over all rows; None when the loss is enough.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence

Measure = Callable[..., dict[str, float]]
# Of those that the training loop or TRL logs under another name.
_LOGGED_AS = {"loss": "eval_loss", "token_accuracy": "eval_mean_token_accuracy"}


def told(logged: Mapping[str, float], names: list[str] | None, epoch: float) -> dict[str, object]:
    """What is reported of an evaluation that logged this: all but its times; with `names` those, and the epoch."""
    if names is None:
        return {k: v for k, v in logged.items() if k != "epoch" and not k.endswith(("_runtime", "_per_second"))}
    values: dict[str, object] = {name: logged.get(_LOGGED_AS.get(name, f"eval_{name}")) for name in names}
    if "perplexity" in values:
        values["perplexity"] = _exp(logged["eval_loss"])
    return {**values, "epoch": epoch}


def classification_metrics(kind: str, names: list[str] | None) -> Measure | None:
    """Of outputs before softmax or sigmoid. A label is predicted when it is the likeliest, or likelier than not."""

    def measure(outputs, targets) -> dict[str, float]:
        import numpy

        targets = targets.astype(int)
        if kind == "multiclass":
            predicted = outputs.argmax(-1)
            truth = targets[:, None] == numpy.arange(outputs.shape[-1])
        else:
            predicted = (outputs > 0).astype(int)
            truth = targets == 1
        if kind == "binary":
            targets, predicted = targets[:, 0], predicted[:, 0]
        return {name: _label_metric(name, kind, targets, predicted, truth, outputs) for name in _beyond_loss(names)}

    return _quiet(measure) if _beyond_loss(names) else None


def _label_metric(name: str, kind: str, targets, predicted, truth, outputs) -> float:
    from sklearn import metrics

    if name == "accuracy":
        return metrics.accuracy_score(targets, predicted)
    if name == "matthews_correlation":
        columns = [(targets, predicted)] if kind != "multilabel" else zip(targets.T, predicted.T, strict=True)
        return _mean([metrics.matthews_corrcoef(of, by) for of, by in columns])
    if name == "roc_auc":
        return _roc_auc(truth, outputs, kind)
    score, _, average = name.partition("_")
    by = {"precision": metrics.precision_score, "recall": metrics.recall_score, "f1": metrics.f1_score}[score]
    return by(targets, predicted, average=average or ("binary" if kind == "binary" else "macro"), zero_division=0)


def _roc_auc(truth, outputs, kind: str) -> float:
    """The mean over labels of each against the rest; a label that all rows have, or none, has no such curve."""
    from scipy.special import softmax
    from sklearn import metrics

    # The order within a column is that of the probabilities, which softmax changes and a sigmoid does not.
    scores = softmax(outputs, axis=-1) if kind == "multiclass" else outputs
    columns = zip(truth.T, scores.T, strict=True)
    return _mean([metrics.roc_auc_score(has, score) for has, score in columns if 0 < has.sum() < len(has)])


def regression_metrics(names: list[str] | None) -> Measure | None:
    """Of predicted and true numbers."""

    def measure(outputs, targets) -> dict[str, float]:
        from sklearn import metrics

        predicted, targets = outputs.reshape(-1).astype(float), targets.reshape(-1).astype(float)
        by = {
            "mse": metrics.mean_squared_error,
            "rmse": metrics.root_mean_squared_error,
            "mae": metrics.mean_absolute_error,
            "r2": metrics.r2_score,
            "pearson": _pearson,
            "spearman": _spearman,
        }
        return {name: float(by[name](targets, predicted)) for name in _beyond_loss(names)}

    return _quiet(measure) if _beyond_loss(names) else None


# The cosine of a pair is a number as any other, and its score what it should be.
similarity_metrics = regression_metrics


def _pearson(targets, predicted) -> float:
    from scipy.stats import pearsonr

    return pearsonr(targets, predicted).statistic if len(targets) > 1 else math.nan


def _spearman(targets, predicted) -> float:
    from scipy.stats import spearmanr

    return spearmanr(targets, predicted).statistic if len(targets) > 1 else math.nan


def _beyond_loss(names: list[str] | None) -> list[str]:
    return [name for name in names or [] if name != "loss"]


def _quiet(measure: Measure) -> Measure:
    """As transformers' compute_metrics. What has no value for these rows is NaN, which is left out; no warning."""

    def compute(evaluated) -> dict[str, float]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return {name: float(v) for name, v in measure(evaluated.predictions, evaluated.label_ids).items()}

    return compute


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values) if values else math.nan


def _exp(value: float) -> float:
    try:
        return math.exp(value)
    except OverflowError:
        return math.inf
