"""Whether an output is JSON: 1 or 0.

Dependencies: none
"""

import json


def json_format_valid(input_text: str, expected_output: str, predicted_output: str) -> float:
    """1.0 when the whole output parses as JSON, else 0.0. NaN and Infinity are not JSON."""
    try:
        json.loads(predicted_output, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return 0.0
    return 1.0


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is not JSON")
