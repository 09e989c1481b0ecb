"""Whether the most probable class is the expected one: 1 or 0, so that the mean is the accuracy.

Dependencies: none
"""

import ast


def sample_match_multiclass_metric_shared(input_text: str, expected_output: str, predicted_output: str) -> float:
    """1.0 when the largest predicted probability is that of the class whose expected one is the largest, else 0.0.

    Both texts are dictionaries of labels and probabilities. A prediction that is none is wrong; an expected text that
    is none is an error of the data, and raises.
    """
    expected = _probabilities(expected_output)
    if expected is None:
        raise ValueError("expected_output is no dictionary of labels and probabilities")
    predicted = _probabilities(predicted_output)
    return float(predicted is not None and _largest(predicted) == _largest(expected))


def _largest(probabilities: dict[str, float]) -> str:
    return max(probabilities, key=probabilities.__getitem__)


def _probabilities(text: str) -> dict[str, float] | None:
    try:
        value = ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, TypeError, RecursionError):
        return None
    if not isinstance(value, dict) or not value or not all(isinstance(each, (int, float)) for each in value.values()):
        return None
    return {str(label): float(probability) for label, probability in value.items()}
