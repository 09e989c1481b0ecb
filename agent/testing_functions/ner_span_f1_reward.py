"""How many mentions of entities were found, whatever type they were given: 0 to 1, higher is better.

Dependencies: none
"""

import json
from collections import Counter


def ner_span_f1_reward(input_text: str, expected_output: str, predicted_output: str) -> float:
    """The F1 of the mentions, without their types; 1.0 when there are none and none were found.

    Both texts are JSON objects {type: [mentions]}; case and runs of blanks in a mention do not count. A prediction that
    is no such object is wrong; an expected text that is none is an error of the data, and raises.
    """
    expected = _mentions(json.loads(expected_output))
    try:
        predicted = _mentions(json.loads(predicted_output))
    except (ValueError, RecursionError):
        return 0.0
    if not expected and not predicted:
        return 1.0
    return 2 * (expected & predicted).total() / (expected.total() + predicted.total())


def _mentions(value: object) -> Counter[str]:
    if not isinstance(value, dict):
        raise ValueError("entities are a JSON object {type: [mentions]}")
    lists = [mentions if isinstance(mentions, list) else [mentions] for mentions in value.values()]
    return Counter(" ".join(str(mention).split()).casefold() for mentions in lists for mention in mentions)
