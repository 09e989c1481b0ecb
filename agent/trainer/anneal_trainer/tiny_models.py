"""The built-in base models, made on the spot for machines with no network and no GPU."""

from __future__ import annotations

import hashlib

TINY_LLAMA = "anneal/tiny-llama"
TINY_BERT = "anneal/tiny-bert"
# A new value is a new model: checkpoints' hashes depend on it.
_LLAMA_SEED = b"anneal/tiny-llama/1"
_BERT_SEED = b"anneal/tiny-bert/1"
_INIT_STD = 0.02  # Llama's and BERT's own
BERT_TOKENS = ["[PAD]", "[CLS]", "[SEP]", "[MASK]"]
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


def make_tiny_llama(folder: str) -> None:
    """Write `anneal/tiny-llama`: the same bytes on every machine."""
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
    _fill(model, _LLAMA_SEED)
    model.generation_config.pad_token_id = 256
    model.save_pretrained(folder)
    _tiny_tokenizer().save_pretrained(folder)


def make_tiny_bert(folder: str) -> None:
    """Write `anneal/tiny-bert`: the same bytes on every machine."""
    from transformers import BertConfig, BertModel

    config = BertConfig(
        vocab_size=256 + len(BERT_TOKENS),
        hidden_size=96,
        intermediate_size=256,
        num_hidden_layers=3,
        num_attention_heads=4,
        max_position_embeddings=1024,
        pad_token_id=256,
    )
    model = BertModel(config)
    _fill(model, _BERT_SEED)
    model.save_pretrained(folder)
    _tiny_bert_tokenizer().save_pretrained(folder)


def _fill(model, seed: bytes) -> None:
    """Give each matrix its numbers; biases are zero and norms one as they are made."""
    import torch

    with torch.no_grad():
        for name, parameter in sorted(model.named_parameters()):
            if parameter.dim() > 1:
                parameter.copy_(torch.from_numpy(_uniform(seed, name, parameter.numel())).view_as(parameter))


def _uniform(seed: bytes, name: str, count: int):
    """Numbers from a hash, not from torch: its generators differ between CPUs in the last bit."""
    import numpy

    words = numpy.frombuffer(hashlib.shake_256(seed + name.encode()).digest(4 * count), dtype="<u4")
    spread = numpy.float32(_INIT_STD * 3**0.5)
    # 24 bits fit a float32 without rounding.
    return ((words >> 8).astype(numpy.float32) * numpy.float32(2**-23) - numpy.float32(1)) * spread


def _byte_tokenizer(special: list[str]):
    """One token a byte, and the special tokens after them."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={char: index for index, char in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in special])
    return tokenizer


def _tiny_tokenizer():
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast(
        tokenizer_object=_byte_tokenizer(SPECIAL_TOKENS),
        pad_token=SPECIAL_TOKENS[0],
        bos_token=SPECIAL_TOKENS[1],
        eos_token=SPECIAL_TOKENS[2],
        additional_special_tokens=SPECIAL_TOKENS[3:],
        chat_template=CHAT_TEMPLATE,
        model_max_length=4096,
        clean_up_tokenization_spaces=False,
    )


def _tiny_bert_tokenizer():
    from tokenizers import processors
    from transformers import PreTrainedTokenizerFast

    pad, cls, sep, mask = BERT_TOKENS
    tokenizer = _byte_tokenizer(BERT_TOKENS)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{cls} $A {sep}",
        pair=f"{cls} $A {sep} $B:1 {sep}:1",
        special_tokens=[(token, tokenizer.token_to_id(token)) for token in (cls, sep)],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=pad,
        cls_token=cls,
        sep_token=sep,
        mask_token=mask,
        model_max_length=1024,
        clean_up_tokenization_spaces=False,
    )
