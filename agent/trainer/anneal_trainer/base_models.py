"""Where a job's base model comes from: made on the spot, a folder, or downloaded from a hub. Always ends as a folder.

A hub model is downloaded first and loaded from its folder afterwards, so that a refusal or a broken download is told
apart from a model that does not load. Only safetensors, configuration and tokenizer files are fetched; code never.
"""

from __future__ import annotations

import hashlib
import os

from .config import BaseModel
from .failures import TrainerFailure

TINY_LLAMA = "anneal/tiny-llama"
_SEED = b"anneal/tiny-llama/1"  # a new value is a new model: checkpoints' hashes depend on it
_INIT_STD = 0.02  # Llama's own
SPECIAL_TOKENS = ["<|pad|>", "<|bos|>", "<|eos|>", "<|start|>", "<|end|>"]
# Roles as plain text between two special tokens; a reply ends with <|eos|>, so that generation stops by itself.
CHAT_TEMPLATE = (
    "{%- for message in messages -%}"
    "{{- '<|start|>' + message['role'] + '\\n' -}}"
    "{%- if message['role'] == 'assistant' -%}"
    "{%- generation -%}{{- message['content'] + '<|eos|>' -}}{%- endgeneration -%}"
    "{%- else -%}{{- message['content'] + '<|end|>' -}}{%- endif -%}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- '<|start|>assistant\\n' -}}{%- endif -%}"
)
HUB_FILES = ["*.safetensors", "*.safetensors.index.json", "*.json", "*.jinja", "*.model", "*.txt"]
# What many repositories keep a second copy of their weights in.
HUB_IGNORED = ["original/*", "onnx/*", "consolidated*"]


def prepare(base: BaseModel, folder: str, token: str | None) -> str:
    """The folder of the base model's files; `folder` is where a built-in one is made, `token` is for the hub."""
    if base.kind == "builtin":
        if base.name != TINY_LLAMA:
            raise TrainerFailure("base_model_unavailable", f"There is no built-in model {base.name} for this method")
        make_tiny_llama(folder)
        return folder
    if base.kind == "path":
        if base.path is None or not os.path.isfile(os.path.join(base.path, "config.json")):
            raise TrainerFailure("base_model_unavailable", "The base model's folder has no config.json")
        return base.path
    if base.id is None:
        raise TrainerFailure("base_model_unavailable", "The base model has no id")
    return _download(base.id, token)


def name_of(base: BaseModel) -> str | None:
    """How an adapter may name its base; a folder of this machine has no name elsewhere."""
    return base.name if base.kind == "builtin" else base.id


def make_tiny_llama(folder: str) -> None:
    """Write `anneal/tiny-llama`: the same bytes on every machine."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=256 + len(SPECIAL_TOKENS),
        hidden_size=96,
        intermediate_size=256,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=4096,
        tie_word_embeddings=True,
        pad_token_id=256,
        bos_token_id=257,
        eos_token_id=258,
    )
    model = LlamaForCausalLM(config)
    with torch.no_grad():
        for name, parameter in sorted(model.named_parameters()):
            if parameter.dim() > 1:
                parameter.copy_(torch.from_numpy(_uniform(name, parameter.numel())).view_as(parameter))
    model.generation_config.pad_token_id = 256
    model.save_pretrained(folder)
    _tiny_tokenizer().save_pretrained(folder)


def _uniform(name: str, count: int):
    """Numbers from a hash, not from torch: its generators differ between CPUs in the last bit."""
    import numpy

    words = numpy.frombuffer(hashlib.shake_256(_SEED + name.encode()).digest(4 * count), dtype="<u4")
    spread = numpy.float32(_INIT_STD * 3**0.5)
    # 24 bits fit a float32 without rounding.
    return ((words >> 8).astype(numpy.float32) * numpy.float32(2**-23) - numpy.float32(1)) * spread


def _tiny_tokenizer():
    """One token a byte, and the special tokens after them."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={char: index for index, char in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in SPECIAL_TOKENS])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=SPECIAL_TOKENS[0],
        bos_token=SPECIAL_TOKENS[1],
        eos_token=SPECIAL_TOKENS[2],
        additional_special_tokens=SPECIAL_TOKENS[3:],
        chat_template=CHAT_TEMPLATE,
        model_max_length=4096,
        clean_up_tokenization_spaces=False,
    )


def _download(model_id: str, token: str | None) -> str:
    import httpx
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionResolutionError,
        XetDownloadError,
    )

    try:
        folder = snapshot_download(
            model_id, allow_patterns=HUB_FILES, ignore_patterns=HUB_IGNORED, token=token or False
        )
    except GatedRepoError as error:
        raise TrainerFailure(
            "base_model_unavailable",
            f"{model_id} is gated: accept its terms on the hub and connect a token that may read it",
        ) from error
    except RepositoryNotFoundError as error:
        raise TrainerFailure(
            "base_model_unavailable", f"{model_id} does not exist on the hub, or is private and no token may read it"
        ) from error
    except HFValidationError as error:
        raise TrainerFailure("base_model_unavailable", f"{model_id!r} is no model id: {error}") from error
    except LocalEntryNotFoundError as error:
        # What the hub's library says when it could not ask: the cause tells a refusal from a broken line.
        cause = error.__cause__
        if isinstance(cause, HfHubHTTPError):
            raise _http_failure(model_id, cause) from error
        raise TrainerFailure(
            "download_failed", f"The hub could not be reached for {model_id}: {cause or error}"
        ) from error
    except HfHubHTTPError as error:
        raise _http_failure(model_id, error) from error
    except (httpx.HTTPError, OSError, XetDownloadError, RevisionResolutionError) as error:
        raise TrainerFailure("download_failed", f"The download of {model_id} broke off: {error}") from error
    names = [name for _, _, files in os.walk(folder) for name in files]
    if "config.json" not in names:
        raise TrainerFailure("base_model_unavailable", f"{model_id} has no config.json")
    if not any(name.endswith(".safetensors") for name in names):
        raise TrainerFailure(
            "base_model_unavailable", f"{model_id} has no safetensors weights; other kinds are not loaded"
        )
    return folder


def _http_failure(model_id: str, error: Exception) -> TrainerFailure:
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status in (401, 403, 404):
        return TrainerFailure("base_model_unavailable", f"The hub refused {model_id} with {status}: {error}")
    return TrainerFailure("download_failed", f"The hub answered {status} for {model_id}: {error}")
