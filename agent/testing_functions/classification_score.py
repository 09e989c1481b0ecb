"""Whether a label that a language model wrote is the expected one: 1 or 0, so that the mean is the accuracy.

Dependencies: none
"""


def classification_score(input_text: str, expected_output: str, predicted_output: str) -> float:
    """1.0 when both texts are the same but for case, blanks, quotes around them and a final full stop, else 0.0."""
    return float(_label(expected_output) == _label(predicted_output))


def _label(text: str) -> str:
    return " ".join(text.split()).removesuffix(".").strip("\"'` ").casefold()
