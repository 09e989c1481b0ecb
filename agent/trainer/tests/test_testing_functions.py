"""The shared testing functions, each by what its docstring says."""

import importlib.util
import inspect
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "testing_functions"
SCALES_WITHOUT_AN_UPPER_END = {"regression_mae", "regression_mse"}


def function(name):
    spec = importlib.util.spec_from_file_location(f"testing_functions_{name}", FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, name)


SIMILAR = "test_similarity_shared"
WORDS = "similarity_score_shared"
COMBINED = "sample_match_combined_metric_shared"
MULTICLASS = "sample_match_multiclass_metric_shared"
MULTILABEL = "sample_match_multilabel_metric"
FORM = "match_format_approximately"
ENTITIES = "ner_entity_f1_metric"
SPANS = "ner_span_f1_reward"
LABELED = "ner_labeled_span_f1_reward"
STRUCTURE = "ner_json_structure_score_reward"
PEOPLE = '{"person": ["Ada  Lovelace", "Bob"], "place": []}'


@pytest.mark.parametrize(
    ("name", "expected", "predicted", "score"),
    [
        (COMBINED, "{'a': 0.0, 'b': 1.0}", "{'a': 0.3, 'b': 0.7}", 1.0),
        (COMBINED, "{'a': 0.0, 'b': 1.0}", "{'a': 0.7, 'b': 0.3}", 0.0),
        (COMBINED, "{'a': 0.0, 'b': 1.0, 'c': 0.0}", "{'a': 0.3, 'b': 0.4, 'c': 0.3}", 1.0),
        (COMBINED, "{'yes': 1.0}", "{'yes': 0.5}", 1.0),
        (COMBINED, "{'yes': 1.0}", "{'yes': 0.49}", 0.0),
        (COMBINED, "{'yes': 0.0}", "{'yes': 8.5e-07}", 1.0),
        (COMBINED, "{'a': 1.0, 'b': 1.0, 'c': 0.0}", "{'a': 0.9, 'b': 0.1, 'c': 0.8}", 1 / 3),
        (COMBINED, "{'a': 0.0, 'b': 1.0}", "{'a': 0.9, 'b': 0.9}", 0.5),
        (COMBINED, "{'a': 0.0, 'b': 0.0}", "{'a': 0.1, 'b': 0.1}", 1.0),
        (COMBINED, "{'a': 0.0, 'b': 1.0}", "no dictionary", 0.0),
        (COMBINED, "{'a': 0.0, 'b': 1.0}", "{'a': 'x'}", 0.0),
        (COMBINED, "World", " world\n", 1.0),
        (COMBINED, "World", "Sports", 0.0),
        (MULTICLASS, "{'a': 0, 'b': 1}", "{'a': 0.2, 'b': 0.8}", 1.0),
        (MULTICLASS, "{'a': 0, 'b': 1}", "{'a': 0.9, 'b': 0.1}", 0.0),
        (MULTICLASS, "{'a': 0, 'b': 1}", "b", 0.0),
        (MULTICLASS, "b", "b", ValueError),
        (MULTILABEL, "{'a': 1, 'b': 1}", "{'a': 0.6, 'b': 0.2}", 0.5),
        (MULTILABEL, "{'a': 0, 'b': 0}", "{'a': 0.1, 'b': 0.2}", 1.0),
        (MULTILABEL, "{'a': 1}", "[", 0.0),
        (MULTILABEL, "[]", "{'a': 1}", ValueError),
        ("classification_score", "Sci/Tech", ' "sci/tech". ', 1.0),
        ("classification_score", "card arrival", "card  Arrival", 1.0),
        ("classification_score", "card arrival", "card delivery", 0.0),
        ("classification_score", "{'a': 0.0, 'b': 1.0}", "{'a': 0.45, 'b': 0.55}", 1.0),
        ("classification_score", "{'a': 0.0, 'b': 1.0}", "{'a': 0.55, 'b': 0.45}", 0.0),
        ("classification_score", "{'a': 0.0, 'b': 1.0, 'c': 0.0}", "{'a': 0.3, 'b': 0.4, 'c': 0.3}", 1.0),
        ("classification_score", "{'yes': 0.0}", "{'yes': 0.4}", 1.0),
        ("classification_score", "{'yes': 1.0}", "{'yes': 0.4}", 0.0),
        ("classification_score", "{'a': 1.0, 'b': 1.0}", "{'a': 0.9, 'b': 0.8}", 1.0),
        ("classification_score", "{'a': 1.0, 'b': 1.0}", "{'a': 0.9, 'b': 0.1}", 0.0),
        ("classification_score", "{'a': 0.0, 'b': 1.0}", "B", 1.0),
        (SIMILAR, "", " ", 1.0),
        (SIMILAR, "abc", "", 0.0),
        (SIMILAR, "this is a test", "this is a test!", 2 * 14 / 29),
        (SIMILAR, "abcd", "dabc", 0.75),
        (SIMILAR, "aaa", "a", 0.5),
        (SIMILAR, "x" * 5000 + "a", "x" * 5000 + "b", 2 * 5000 / 10002),
        (WORDS, "The cat sat.", "the CAT, sat", 1.0),
        (WORDS, "the cat", "the dog", 0.5),
        (WORDS, "a a b", "a b b", 2 / 3),
        (WORDS, "", "...", 1.0),
        (WORDS, "a", "", 0.0),
        (FORM, "<answer>4</answer>", "<answer>five</answer>", 1.0),
        (FORM, "<answer>4</answer>", "4", 0.0),
        (FORM, "so\n#### 4", "as\n#### 5", 1.0),
        (FORM, "1. a\n2. b", "1. x", 2 / 3),
        (FORM, "plain", "plain too", 1.0),
        (FORM, '{"a": [1]}', '{"b": [2]}', 1.0),
        ("json_format_valid", "", '{"a": [1, null]}', 1.0),
        ("json_format_valid", "", "{'a': 1}", 0.0),
        ("json_format_valid", "", "NaN", 0.0),
        ("json_format_valid", "", "[" * 100_000, 0.0),
        (ENTITIES, PEOPLE, '{"person": ["ada lovelace", "Bob"]}', 1.0),
        (ENTITIES, PEOPLE, '{"person": ["Bob"], "place": ["Ada Lovelace"]}', 0.5),
        (ENTITIES, PEOPLE, "none", 0.0),
        (ENTITIES, '{"person": []}', "{}", 1.0),
        (ENTITIES, '{"person": ["Bob"]}', '{"person": ["Bob", "Bob"]}', 2 / 3),
        (ENTITIES, "none", "{}", ValueError),
        (SPANS, PEOPLE, '{"person": ["Bob"], "place": ["Ada Lovelace"]}', 1.0),
        (SPANS, PEOPLE, '{"person": ["Bob"]}', 2 / 3),
        (SPANS, PEOPLE, "[]", 0.0),
        (SPANS, "[]", "{}", ValueError),
        (LABELED, PEOPLE, '{"person": ["Ada", "Bob"]}', 0.8),
        (LABELED, PEOPLE, '{"place": ["Ada", "Bob"]}', 0.0),
        (LABELED, "{}", "{}", 1.0),
        (LABELED, "", "{}", ValueError),
        (STRUCTURE, PEOPLE, '{"person": ["whoever"], "place": []}', 1.0),
        (STRUCTURE, PEOPLE, '{"person": "whoever", "place": []}', 0.75),
        (STRUCTURE, PEOPLE, '{"person": []}', 0.75),
        (STRUCTURE, PEOPLE, "{}", 0.0),
        (STRUCTURE, PEOPLE, "[]", 0.0),
        (STRUCTURE, PEOPLE, "Bob", 0.0),
        (STRUCTURE, "3", "{}", ValueError),
        ("regression_mae", "0.141", "0.2656", 0.1246),
        ("regression_mae", "-1", "1e0", 2.0),
        ("regression_mae", "0.1", "about a tenth", ValueError),
        ("regression_mse", "0.5", "0.0", 0.25),
        ("regression_mse", "x", "0.0", ValueError),
        ("embedding_pair_match", "1.0", "0.61", 1.0),
        ("embedding_pair_match", "0.5", "0.49", 0.0),
        ("embedding_pair_match", "0", "-0.2", 1.0),
    ],
)
def test_a_function_keeps_to_its_rule(name, expected, predicted, score):
    if score is ValueError:
        with pytest.raises(ValueError):
            function(name)("q", expected, predicted)
        return
    given = function(name)("q", expected, predicted)
    assert isinstance(given, float) and given == pytest.approx(score)


@pytest.mark.parametrize("name", sorted(path.stem for path in FOLDER.glob("*.py")))
def test_every_function_says_what_it_is(name):
    one = function(name)
    assert list(inspect.signature(one).parameters) == ["input_text", "expected_output", "predicted_output"]
    assert one.__doc__
    text = (FOLDER / f"{name}.py").read_text()
    assert "\nDependencies: " in text
    if name not in SCALES_WITHOUT_AN_UPPER_END:
        assert "0 to 1" in text or "1 or 0" in text
