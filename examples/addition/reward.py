"""Scores a sum: 1 when it is right, a little for a number that is close, nothing for anything else."""

CLOSE = 0.2  # the most that a wrong number earns; it gives a beginner a slope to climb


def score(completion, answer):
    """The reward of one completion."""
    text = completion.strip()
    if text == answer:
        return 1.0
    if not (text.isascii() and text.isdigit()):
        return 0.0
    return CLOSE / (1 + abs(int(text) - int(answer)))


def reward(completions, answer=None, **kwargs):
    """One score for each completion, as TRL asks for them."""
    return [score(completion, expected) for completion, expected in zip(completions, answer, strict=True)]
