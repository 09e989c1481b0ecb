"""How many words of entities were found, each with its type: as ner_entity_f1_metric, with part of the score for parts.

Dependencies: none
"""

import json
from collections import Counter


def ner_labeled_span_f1_reward(input_text: str, expected_output: str, predicted_output: str) -> float:
    """The F1 of (type, word) pairs of all mentions, 0 to 1; 1.0 when there are none and none were found.

    Both texts are JSON objects {type: [mentions]}; case does not count. A prediction that is no such object is wrong;
    an expected text that is none is an error of the data, and raises.
    """
    expected = _words(json.loads(expected_output))
    try:
        predicted = _words(json.loads(predicted_output))
    except (ValueError, RecursionError):
        return 0.0
    if not expected and not predicted:
        return 1.0
    return 2 * (expected & predicted).total() / (expected.total() + predicted.total())


def _words(value: object) -> Counter[tuple[str, str]]:
    if not isinstance(value, dict):
        raise ValueError("entities are a JSON object {type: [mentions]}")
    found: Counter[tuple[str, str]] = Counter()
    for kind, mentions in value.items():
        for mention in mentions if isinstance(mentions, list) else [mentions]:
            found.update((kind, word) for word in str(mention).casefold().split())
    return found
