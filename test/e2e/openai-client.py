"""The official `openai` client for Python, unmodified: `openai-client.py URL KEY JSON`. Ends with one line of JSON.

`{"chat": MODEL, "embedding": MODEL, "prompt": TEXT, "messages": [...], "max_tokens": N, "input": TEXT}`
"""

import json
import sys

import openai

url, key, asked = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
client = openai.OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0, timeout=90)
greedy = {"temperature": 0, "max_tokens": asked["max_tokens"]}


def raised(call) -> str:
    """The name of the exception that the client makes of an error."""
    try:
        call()
    except openai.OpenAIError as error:
        return type(error).__name__
    return "nothing"


chat = client.chat.completions.create(model=asked["chat"], messages=asked["messages"], **greedy)
stream = client.chat.completions.create(
    model=asked["chat"], messages=asked["messages"], stream=True, stream_options={"include_usage": True}, **greedy
)
pieces = list(stream)
completion = client.completions.create(model=asked["chat"], prompt=asked["prompt"], **greedy)
aborted = client.chat.completions.create(
    model=asked["chat"], messages=asked["messages"], stream=True, temperature=1, max_tokens=2000
)
first = next(iter(aborted))
aborted.close()
told = {
    "chat": chat.choices[0].message.content,
    "finish_reason": chat.choices[0].finish_reason,
    "usage": chat.usage.model_dump(include={"prompt_tokens", "completion_tokens", "total_tokens"}),
    "streamed": "".join(piece.choices[0].delta.content or "" for piece in pieces if piece.choices),
    "streamed_usage": pieces[-1].usage.model_dump(include={"prompt_tokens", "completion_tokens", "total_tokens"}),
    "completion": completion.choices[0].text,
    "embedding": client.embeddings.create(model=asked["embedding"], input=[asked["input"]]).data[0].embedding,
    "first_of_aborted": first.object,
    "errors": {
        "unknown model": raised(lambda: client.completions.create(model="there-is-none", prompt="x")),
        "bad field": raised(lambda: client.completions.create(model=asked["chat"], prompt="x", n=3)),
        "bad key": raised(lambda: client.with_options(api_key="sk-" + "0" * 40).models.list()),
    },
}
print(json.dumps(told))
