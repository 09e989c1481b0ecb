"""Whether the predicted label is the expected one, told by a classifier or written by a language model: 1 or 0.

The mean is the accuracy.

Dependencies: none
"""

import ast


def classification_score(input_text: str, expected_output: str, predicted_output: str) -> float:
    """1.0 when the labels are the same, else 0.0.

    Of dictionaries of labels and probabilities, as classifiers predict them, it is the most probable label when one is
    expected and the predicted add up to 1, and all labels from 0.5 on otherwise. Of other texts the whole text is the
    label, but for case, blanks, quotes around it and a final full stop.
    """
    expected = _probabilities(expected_output)
    if expected is None:
        return float(_label(expected_output) == _label(predicted_output))
    wanted = _chosen(expected)
    predicted = _probabilities(predicted_output)
    if predicted is None:
        return float({_label(label) for label in wanted} == {_label(predicted_output)})
    if len(expected) > 1 and len(wanted) == 1 and abs(sum(predicted.values()) - 1) < 0.01:
        return float(wanted == {max(predicted, key=predicted.__getitem__)})
    return float(wanted == _chosen(predicted))


def _label(text: str) -> str:
    return " ".join(text.split()).removesuffix(".").strip("\"'` ").casefold()


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
