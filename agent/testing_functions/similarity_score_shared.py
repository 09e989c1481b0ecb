"""How many words two texts share: 0 to 1, higher is better.

Dependencies: none
"""

import re
from collections import Counter


def similarity_score_shared(input_text: str, expected_output: str, predicted_output: str) -> float:
    """The F1 of the words of both texts, however they are ordered: 1.0 for the same words, 0.0 for none in common.

    Case and punctuation do not count.
    """
    expected, predicted = _words(expected_output), _words(predicted_output)
    if not expected and not predicted:
        return 1.0
    return 2 * (expected & predicted).total() / (expected.total() + predicted.total())


def _words(text: str) -> Counter[str]:
    return Counter(re.findall(r"\w+", text.casefold()))
