"""From tokens to the text that may be shown already: whole characters, and nothing of a stop string."""

from __future__ import annotations

# Some tokenizers leave out the space before the first token that they decode: these many of the prompt go before it.
_TOKENS_BEFORE = 5
_HALF_CHARACTER = "\ufffd"


class Detokeniser:
    """Text that is added by each token. What is not a whole character yet waits for the tokens that complete it."""

    def __init__(self, tokenizer, prompt: list[int]):
        self._tokenizer = tokenizer
        self._tokens = prompt[-_TOKENS_BEFORE:]
        self._start = 0  # of the tokens that are decoded again, for what comes before a word
        self._told = len(self._tokens)  # up to here the text has been told

    def add(self, token: int) -> str:
        """What is new, which may be nothing."""
        self._tokens.append(token)
        text = self._untold()
        if text == "" or text.endswith(_HALF_CHARACTER):
            return ""
        self._start, self._told = self._told, len(self._tokens)
        return text

    def rest(self) -> str:
        """What waits still, when no more tokens come."""
        text = self._untold()
        self._told = len(self._tokens)
        return text

    def _untold(self) -> str:
        return self._decode(self._tokens[self._start :])[len(self._decode(self._tokens[self._start : self._told])) :]

    def _decode(self, tokens: list[int]) -> str:
        return self._tokenizer.decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False)


class StopStrings:
    """Cuts a text before the first of some strings, and holds back what may be the beginning of one."""

    def __init__(self, strings: list[str]):
        self._strings = strings
        self._held = ""
        self.is_found = False

    def add(self, text: str) -> str:
        """What may be shown now."""
        self._held += text
        found = [at for at in (self._held.find(string) for string in self._strings) if at >= 0]
        if found:
            self.is_found = True
            return self._show(min(found))
        return self._show(len(self._held) - self._beginning())

    def rest(self) -> str:
        """What was held back, when no more text comes."""
        return self._show(len(self._held))

    def _show(self, end: int) -> str:
        shown, self._held = self._held[:end], "" if self.is_found else self._held[end:]
        return shown

    def _beginning(self) -> int:
        """How long the longest end of the text is that one of the strings begins with."""
        longest = min(len(self._held), max(map(len, self._strings), default=1) - 1)
        for length in range(longest, 0, -1):
            if any(string.startswith(self._held[-length:]) for string in self._strings):
                return length
        return 0


class AnswerText:
    """Both, one token after the other."""

    def __init__(self, tokenizer, prompt: list[int], stop: list[str]):
        self._detokeniser = Detokeniser(tokenizer, prompt)
        self._stop = StopStrings(stop)

    def add(self, token: int) -> str:
        """The text that may be shown after this token."""
        return self._stop.add(self._detokeniser.add(token))

    @property
    def is_stopped(self) -> bool:
        """Whether a stop string has come."""
        return self._stop.is_found

    def rest(self) -> str:
        """All that is left, at the end."""
        text = self._stop.add(self._detokeniser.rest())
        return text if self._stop.is_found else text + self._stop.rest()
