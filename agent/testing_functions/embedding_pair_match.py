"""Whether two texts are told to be alike when they are: 1 or 0, so that the mean is the accuracy.

Dependencies: none
"""


def embedding_pair_match(input_text: str, expected_output: str, predicted_output: str) -> float:
    """1.0 when expected and predicted similarity are both at least 0.5, or both under it; else 0.0."""
    return float((float(expected_output) >= 0.5) == (float(predicted_output) >= 0.5))
