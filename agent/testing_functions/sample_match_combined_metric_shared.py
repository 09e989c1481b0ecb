"""Whether the predicted classes are the expected ones, for every kind of classification: 0 to 1, higher is better.

Dependencies: none
"""

import ast


def sample_match_combined_metric_shared(input_text: str, expected_output: str, predicted_output: str) -> float:
    """1.0 or 0.0 for one class among several and for a yes or no; the overlap (Jaccard) for sets of labels.

    Both texts are dictionaries of labels and probabilities. A single label is a yes from 0.5 on. Several are one class
    among them when one of the expected is 1 and the predicted add up to 1: then the most probable is compared. Else the
    sets of the labels from 0.5 on are. An expected text that is no dictionary must be repeated, but for case and blanks
    around it.
    """
    expected = _probabilities(expected_output)
    if expected is None:
        return float(expected_output.strip().casefold() == predicted_output.strip().casefold())
    predicted = _probabilities(predicted_output)
    if predicted is None:
        return 0.0
    wanted, given = _chosen(expected), _chosen(predicted)
    if len(expected) == 1:
        return float(wanted == given)
    if len(wanted) == 1 and abs(sum(predicted.values()) - 1) < 0.01:
        return float(max(predicted, key=predicted.__getitem__) in wanted)
    return len(wanted & given) / len(wanted | given) if wanted | given else 1.0


def _chosen(probabilities: dict[str, float]) -> set[str]:
    return {label for label, probability in probabilities.items() if probability >= 0.5}


def _probabilities(text: str) -> dict[str, float] | None:
    try:
        value = ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, TypeError, RecursionError):
        return None
    if not isinstance(value, dict) or not value or not all(isinstance(each, (int, float)) for each in value.values()):
        return None
    return {str(label): float(probability) for label, probability in value.items()}
