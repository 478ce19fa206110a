"""The Trainer of examples, rows and pairs."""

from typing import Any

from care_train.alarm import WatchedTrainer


class Sizes:
    """A data set as a sampler asks for it, of the lengths alone: no token is read to know how many there are."""

    def __init__(self, lengths: list[int]) -> None:
        self.lengths = lengths

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, index: int) -> dict[str, range]:
        return {"input_ids": range(self.lengths[index])}


class LengthTrainer(WatchedTrainer):
    """The Trainer, whose `--train_sampling_strategy` group_by_length and batch_rebalance are told the lengths."""

    def _get_train_sampler(self, train_dataset: Any = None) -> Any:
        return super()._get_train_sampler(measure(self.train_dataset if train_dataset is None else train_dataset))

    def _get_eval_sampler(self, eval_dataset: Any) -> Any:
        return super()._get_eval_sampler(measure(eval_dataset))


def measure(examples: Any) -> Any:
    """The lengths of Examples, Packed or Pairs as a sampler reads them; other data as they are."""
    return Sizes(examples.lengths.tolist()) if hasattr(examples, "lengths") else examples
