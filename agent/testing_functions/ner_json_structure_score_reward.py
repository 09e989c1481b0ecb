"""Whether entities were written in the form that was asked for, whatever they are: 0 to 1, higher is better.

Dependencies: none
"""

import json


def ner_json_structure_score_reward(input_text: str, expected_output: str, predicted_output: str) -> float:
    """The mean of two shares: of types that both objects have, and of predicted types that have a list of strings.

    Both texts are JSON objects {type: [mentions]}. A prediction that is no object has 0.0; an expected text that is
    none is an error of the data, and raises.
    """
    expected = json.loads(expected_output)
    if not isinstance(expected, dict):
        raise ValueError("entities are a JSON object {type: [mentions]}")
    try:
        predicted = json.loads(predicted_output)
    except (ValueError, RecursionError):
        return 0.0
    if not isinstance(predicted, dict):
        return 0.0
    types = expected.keys() | predicted.keys()
    shared = len(expected.keys() & predicted.keys()) / len(types) if types else 1.0
    lists = [isinstance(each, list) and all(isinstance(one, str) for one in each) for each in predicted.values()]
    return (shared + (sum(lists) / len(lists) if lists else shared)) / 2
