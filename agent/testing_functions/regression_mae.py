"""How far a predicted number is off: 0 and up, lower is better; the mean over rows is the mean absolute error.

For regression, and for embeddings, whose output is the cosine similarity of the two texts.

Dependencies: none
"""


def regression_mae(input_text: str, expected_output: str, predicted_output: str) -> float:
    """The absolute difference of the two numbers. A text that is no number raises: no error would be a true one."""
    return abs(float(expected_output) - float(predicted_output))
