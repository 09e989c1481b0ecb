"""How alike two texts are, letter by letter: 0 to 1, higher is better.

Dependencies: none
"""


def test_similarity_shared(input_text: str, expected_output: str, predicted_output: str) -> float:
    """Twice the longest common subsequence of letters, over both lengths: the fuzzy ratio. 1.0 for equal texts.

    Blanks at the ends do not count; case does.
    """
    expected, predicted = expected_output.strip(), predicted_output.strip()
    if not expected and not predicted:
        return 1.0
    return 2 * _common(expected, predicted) / (len(expected) + len(predicted))


def _common(one: str, other: str) -> int:
    """The length of the longest common subsequence: a bit for each letter of `one` (Hyyrö's algorithm)."""
    places: dict[str, int] = {}
    for at, letter in enumerate(one):
        places[letter] = places.get(letter, 0) | 1 << at
    every = (1 << len(one)) - 1
    left = every
    for letter in other:
        found = left & places.get(letter, 0)
        left = ((left + found) | (left - found)) & every
    return len(one) - left.bit_count()
