"""A base model with a head that reads a whole text: how classification and regression load, train and ask it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from .config import RowConfig, RowHyperparameters
from .eval_metrics import Measure
from .failures import TrainerFailure
from .models import (
    LOADING_ERRORS,
    ONLY_DATA,
    Loaded,
    TransformersKind,
    common_arguments,
    load_tokenizer,
    lora_config,
    pad_with_something,
    positions,
    restore,
    weights_type,
)
from .optimisation import batch_arguments, eval_batch_size
from .random_state import QuietEvaluation
from .report import Reporter
from .row_method import in_batches, readable
from .tokenised import Tokenised


def kind_of(problem_type: str, names: list[str]) -> TransformersKind:
    """A model with one output for each name; a head of another size that a base has is made anew."""
    return TransformersKind(
        "AutoModelForSequenceClassification",
        {
            "problem_type": problem_type,
            "num_labels": len(names),
            "id2label": dict(enumerate(names)),
            "label2id": {name: at for at, name in enumerate(names)},
            "ignore_mismatched_sizes": True,
        },
    )


def load(
    kind: TransformersKind, h: RowHyperparameters, folder: str, on_gpu: bool, world_size: int, is_sharded: bool
) -> Loaded:
    """Load the base with its head; one that was trained for other labels is drawn anew."""
    from transformers import AutoConfig

    try:
        tokenizer = load_tokenizer(folder)
        before = AutoConfig.from_pretrained(folder, **ONLY_DATA)
        model, drawn = kind.load_and_tell(folder, weights_type(on_gpu, h.lora_rank is not None))
    except LOADING_ERRORS as error:
        raise _not_for_whole_texts(error) from error
    pad(tokenizer, model)
    if _is_for_other_labels(before, model.config):
        _draw_head(model)
    return Loaded(folder, model, tokenizer, on_gpu, world_size, is_sharded, drawn)


def make_trainer(
    config: RowConfig,
    report: Reporter,
    base: Loaded,
    callback,
    loss: Callable,
    measure: Measure | None,
    rows: Tokenised,
):
    """transformers' trainer over the rows; `loss` is per value, and a step's loss its mean over the step."""
    from transformers import DataCollatorWithPadding, TrainingArguments

    h = config.hyperparameters
    adapter = lora_config(h, "SEQ_CLS", "all-linear", _not_of_base(base))
    model = base.model
    if adapter is not None:
        from peft import get_peft_model

        model = get_peft_model(model, adapter)
    arguments = TrainingArguments(
        **common_arguments(config, base, report),
        **batch_arguments(h, base.world_size, loss_only=measure is None),
        # Into a frozen base no gradient flows from its inputs, and the other way of checkpointing needs one.
        gradient_checkpointing_kwargs={"use_reentrant": False},
        remove_unused_columns=False,
    )

    def mean_loss(outputs, labels, num_items_in_batch=None):
        values = loss(outputs.logits.float(), labels)
        return values.mean() if num_items_in_batch is None else values.sum() / num_items_in_batch

    return _trainer_class()(
        model=model,
        args=arguments,
        train_dataset=rows.train,
        eval_dataset=rows.evaluate,
        processing_class=base.tokenizer,
        data_collator=DataCollatorWithPadding(base.tokenizer),
        compute_loss_func=mean_loss,
        compute_metrics=measure,
        preprocess_logits_for_metrics=_outputs_alone,
        callbacks=[callback],
    )


def _outputs_alone(outputs, _targets):
    """What an evaluation keeps: some models answer with more than the outputs of their head."""
    return (outputs[0] if isinstance(outputs, tuple) else outputs).float()


def _trainer_class():
    import torch
    from transformers import Trainer

    class SequenceTrainer(QuietEvaluation, Trainer):
        """Counts every target: to the library the number -100 says that there is none."""

        def _get_num_items_in_batch(self, batch_samples, device):
            count = torch.tensor(sum(batch["labels"].numel() for batch in batch_samples), device=device)
            return self.accelerator.gather(count).sum() if self.args.world_size > 1 else count

    return SequenceTrainer


Examples = Sequence[tuple[str, object]]


def max_tokens(tokenizer, model, h: RowHyperparameters) -> int:
    """Where a text is cut: what the job asks for, and no more than the model has positions for."""
    return min(h.max_seq_length, positions(model) or tokenizer.model_max_length, tokenizer.model_max_length)


def outputs(
    kind: TransformersKind, folder: str, base_folder: str, texts: list[str], h: RowHyperparameters, device: str
) -> Iterator[tuple[list[int], object]]:
    """For each batch the positions of its texts, and their rows of the model's outputs as a tensor."""
    import torch

    tokenizer = load_tokenizer(folder)
    model = restore(kind, folder, base_folder)
    pad(tokenizer, model)
    model.to(device).eval()
    limit = max_tokens(tokenizer, model, h)
    for batch in in_batches(texts, len, eval_batch_size(h)):
        asked = tokenizer(
            [readable(texts[at]) for at in batch], truncation=True, max_length=limit, padding=True, return_tensors="pt"
        )
        with torch.inference_mode():
            yield batch, model(**asked.to(device)).logits.float()


def tokenise(h: RowHyperparameters, base: Loaded, examples: tuple[Examples, Examples]) -> Tokenised:
    """(text, target) rows as the loaded base reads them."""
    limit = max_tokens(base.tokenizer, base.model, h)
    train, evaluate = (_dataset(part, base.tokenizer, limit) if part else None for part in examples)
    return Tokenised(train, evaluate)


def encoder(kind: TransformersKind, h: RowHyperparameters, folder: str) -> Callable[[Examples], object]:
    """What makes of (text, target) rows what `tokenise` makes of them, without the base's weights."""
    try:
        tokenizer = load_tokenizer(folder)
        limit = max_tokens(tokenizer, kind.shape(folder), h)
    except LOADING_ERRORS as error:
        raise _not_for_whole_texts(error) from error
    return lambda examples: _dataset(examples, tokenizer, limit)


def _dataset(examples: Examples, tokenizer, limit: int):
    from datasets import Dataset

    encoded = tokenizer([readable(text) for text, _ in examples], truncation=True, max_length=limit)
    return Dataset.from_dict({**encoded, "labels": [target for _, target in examples]})


def _not_for_whole_texts(error: Exception) -> TrainerFailure:
    return TrainerFailure("base_model_unavailable", f"The base model is not one that can read whole texts: {error}")


def pad(tokenizer, model) -> None:
    """Let the head find the ends of texts by a token that the tokenizer pads with."""
    pad_with_something(tokenizer)
    model.config.pad_token_id = tokenizer.pad_token_id


def _not_of_base(base: Loaded) -> list[str]:
    """The modules that no copy of the base has as they are here: its head, and what else was drawn.

    An adapter must hold them whole: beside another copy of the base they would be drawn anew.
    """
    model = base.model
    children = dict(model.named_children())  # type: ignore[attr-defined]
    of_base = model.base_model_prefix  # type: ignore[attr-defined]
    heads = {name for name, child in children.items() if name != of_base and any(True for _ in child.parameters())}
    drawn = {name.rpartition(".")[0] for name in base.drawn if name.partition(".")[0] not in heads}
    return sorted(heads | drawn)


def _is_for_other_labels(before, after) -> bool:
    has_head = any(name.endswith("ForSequenceClassification") for name in before.architectures or [])
    # Who trains without our words for it does not say what the problem is.
    is_same_problem = before.problem_type in (None, after.problem_type)
    return has_head and not (is_same_problem and before.id2label == after.id2label)


def _draw_head(model) -> None:
    import torch

    heads = [module for name, module in model.named_children() if name in ("classifier", "score")]
    for module in (part for head in heads for part in head.modules() if isinstance(part, torch.nn.Linear)):
        torch.nn.init.normal_(module.weight, std=model.config.initializer_range)
        if module.bias is not None:
            torch.nn.init.zeros_(module.bias)
