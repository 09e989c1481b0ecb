"""How many entities were found, each with its type: 0 to 1, higher is better.

Dependencies: none
"""

import json
from collections import Counter


def ner_entity_f1_metric(input_text: str, expected_output: str, predicted_output: str) -> float:
    """The F1 of (type, mention) pairs; 1.0 when there are none and none were found.

    Both texts are JSON objects {type: [mentions]}; case and runs of blanks in a mention do not count. A prediction that
    is no such object is wrong; an expected text that is none is an error of the data, and raises.
    """
    expected = _entities(json.loads(expected_output))
    try:
        predicted = _entities(json.loads(predicted_output))
    except (ValueError, RecursionError):
        return 0.0
    if not expected and not predicted:
        return 1.0
    return 2 * (expected & predicted).total() / (expected.total() + predicted.total())


def _entities(value: object) -> Counter[tuple[str, str]]:
    if not isinstance(value, dict):
        raise ValueError("entities are a JSON object {type: [mentions]}")
    found: Counter[tuple[str, str]] = Counter()
    for kind, mentions in value.items():
        for mention in mentions if isinstance(mentions, list) else [mentions]:
            found[(kind, " ".join(str(mention).split()).casefold())] += 1
    return found
