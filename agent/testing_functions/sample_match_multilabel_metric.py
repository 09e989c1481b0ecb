"""How far the predicted set of labels is the expected one: 0 to 1, higher is better.

Dependencies: none
"""

import ast


def sample_match_multilabel_metric(input_text: str, expected_output: str, predicted_output: str) -> float:
    """The overlap (Jaccard) of the sets of labels from 0.5 on: what both have, of what either has; 1.0 for empty ones.

    Both texts are dictionaries of labels and probabilities. A prediction that is none is wrong; an expected text that
    is none is an error of the data, and raises.
    """
    expected = _probabilities(expected_output)
    if expected is None:
        raise ValueError("expected_output is no dictionary of labels and probabilities")
    predicted = _probabilities(predicted_output)
    if predicted is None:
        return 0.0
    wanted, given = _chosen(expected), _chosen(predicted)
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
