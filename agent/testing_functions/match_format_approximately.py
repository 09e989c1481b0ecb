r"""How far an output has the form of the expected one, whatever it says: 0 to 1, higher is better.

Dependencies: none
"""

import re
from collections import Counter

_MARKS = re.compile(
    r"</?[A-Za-z][\w.-]*>|^#{1,6}(?= )|####|```|\\boxed\{|^[-*](?= )|^\d+[.)](?= )|[{}\[\]]", re.MULTILINE
)


def match_format_approximately(input_text: str, expected_output: str, predicted_output: str) -> float:
    r"""The F1 of the marks of both texts: 1.0 when every mark is there as often as expected, and no other.

    Marks are tags such as <answer>, headings, list items, code fences, ####, \boxed{, braces and brackets. Numbers of
    list items are all one mark. Two texts without any have the same form.
    """
    expected, predicted = _marks(expected_output), _marks(predicted_output)
    if not expected and not predicted:
        return 1.0
    return 2 * (expected & predicted).total() / (expected.total() + predicted.total())


def _marks(text: str) -> Counter[str]:
    return Counter("1." if mark[0].isdigit() else mark.lower() for mark in _MARKS.findall(text))
