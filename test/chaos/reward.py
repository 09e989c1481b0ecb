"""A pure reward with a slope that an untrained model can climb: the share of digits, and more for the right ones."""


def score(completion, answer):
    """The reward of one completion."""
    text = completion.strip()
    digits = sum(char.isascii() and char.isdigit() for char in text)
    right = sum(a == b for a, b in zip(text, answer, strict=False))
    return (digits + 2 * right) / (3 * max(1, len(text), len(answer)))


def reward(completions, answer=None, **kwargs):
    """One score for each completion."""
    return [score(completion, expected) for completion, expected in zip(completions, answer, strict=True)]
