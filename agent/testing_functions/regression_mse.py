"""How far a predicted number is off, squared: 0 and up, lower is better; the mean over rows is the mean squared error.

Dependencies: none
"""


def regression_mse(input_text: str, expected_output: str, predicted_output: str) -> float:
    """The squared difference of the two numbers. A text that is no number raises: no error would be a true one."""
    return (float(expected_output) - float(predicted_output)) ** 2
