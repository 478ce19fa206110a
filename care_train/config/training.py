"""Settings of training: one dataclass a section of `--help`, one help line a field."""

from dataclasses import dataclass, field
from typing import Any

from care_train.config.fields import setting


@dataclass
class RunSettings:
    """Run"""

    stage: str = setting("", "what to train (default: what the command says)", choices=("pt", "sft", "rm", "dpo"))
    output_dir: str = setting("", "where adapter, checkpoints, logs and plots go")
    overwrite_output_dir: bool = setting(False, "delete the earlier run's checkpoints in output_dir and start anew")
    resume: str = setting("auto", "auto: go on from the last checkpoint of output_dir; never; or a checkpoint's path")
    plot_loss: bool = setting(False, "draw training_loss.png and .svg after training (needs matplotlib)")
    json: bool = setting(False, "print the result as one JSON object on stdout")
    debug: bool = setting(False, "show the traceback of an error")


@dataclass
class ModelSettings:
    """Model"""

    model_name_or_path: str = setting(
        "", "base model: a folder, a hub id, `tiny` (a toy built from the texts) or `smollm2` (real and small)"
    )
    adapter_name_or_path: str | None = setting(None, "go on training this adapter instead of a fresh one")
    quantization_bit: int | None = setting(None, "load the base model in so many bits", choices=(4, 8))
    quantization_type: str = setting("nf4", "number format of the 4 bits", choices=("nf4", "fp4"))
    double_quantization: bool = setting(True, "quantise the 4-bit constants too")
    gradient_checkpointing: bool | None = setting(
        None, "recompute activations to save memory (default: on with a GPU, off without)"
    )


@dataclass
class DataSettings:
    """Data"""

    dataset: str = setting("", "names or patterns (demo_*) from dataset_info.json, with commas between")
    dataset_dir: str | None = setting(
        None, "folder of dataset_info.json (default: ./data, else the newest release under ./data/releases)"
    )
    template: str | None = setting(None, "chat template by name, or auto: the tokenizer's own; chat reuses it")
    system: str | None = setting(None, "system prompt for records without their own (default: the template's)")
    cutoff_len: int = setting(2048, "longest example, in tokens")
    overlong: str = setting(
        "truncate_history",
        "for longer ones: drop the oldest turns; drop; cut question heads and answer ends too; stop",
        choices=("truncate_history", "drop", "truncate", "error"),
    )
    mask_history: bool = setting(False, "learn only the last answer of a dialogue, not every one")
    train_on_prompt: bool = setting(False, "learn the questions too")
    max_samples: int | None = setting(None, "take at most so many records of each dataset")
    mix_strategy: str = setting(
        "concat",
        "several datasets: one after the other, or records in turn until the shortest or the longest has ended",
        choices=("concat", "interleave_under", "interleave_over"),
    )
    interleave_probs: str | None = setting(
        None, "how often each dataset is drawn from, with commas between, 1 in all (default: in turn)"
    )
    eval_dataset: str | None = setting(None, "names or patterns of datasets to evaluate on, as a release's validation")
    streaming: bool = setting(False, "read records while training, never all at once; needs --max_steps")
    buffer_size: int = setting(16384, "with streaming: records in memory among which the next one is drawn")
    trust_dataset_scripts: bool = setting(
        False, "run the script of a dataset's script_url, shut off from the network and other files"
    )
    val_size: float = setting(0.0, "set aside for evaluation: a share below 1, or a number of records")
    packing: bool = setting(
        False, "pt, sft: fill rows of cutoff_len with several examples, which do not see each other"
    )
    padding_free: bool = setting(
        False,
        "pt, sft: join a batch into one row instead of padding it (for short examples: attention needs its square)",
    )
    overwrite_cache: bool = setting(False, "make the tokens again, even where earlier ones are kept in tokens_cache")
    tokens_cache: str = setting(
        "", "folder that keeps tokens for the next run, or none (default: care-train/tokens in the user's cache folder)"
    )
    tokens_cache_gb: float = setting(20.0, "gigabytes of it; what was used longest ago goes first")


@dataclass
class LoraSettings:
    """LoRA"""

    finetuning_type: str = setting(
        "lora", "which weights learn: an adapter, the last layers, or all", choices=("lora", "freeze", "full")
    )
    lora_target: str = setting("all", "layers with an adapter, with commas between; all: every linear one but lm_head")
    lora_rank: int = setting(8, "rank of the adapter's matrices")
    lora_alpha: int | None = setting(None, "scale of the adapter (default: twice the rank)")
    lora_dropout: float = setting(0.0, "dropout in front of the adapter")
    use_dora: bool = setting(False, "DoRA: learn the length of each weight's rows apart from their direction")
    freeze_trainable_layers: int = setting(2, "with freeze: so many of the last layers learn; below 0, of the first")


@dataclass
class TrainingSettings:
    """Training (any other field of transformers.TrainingArguments is accepted too)"""

    do_train: bool = setting(True, "accepted; this command always trains")
    num_train_epochs: float = setting(3.0, "passes over the data")
    max_steps: int = setting(-1, "stop after so many steps, whatever the epochs")
    per_device_train_batch_size: int = setting(8, "examples a device takes at once")
    per_device_eval_batch_size: int = setting(8, "the same for evaluation")
    gradient_accumulation_steps: int = setting(1, "batches to a step")
    learning_rate: float = setting(5e-5, "highest learning rate")
    lr_scheduler_type: str = setting("linear", "its course: linear, cosine, constant, …")
    warmup_steps: float = setting(0.0, "steps of warm-up; below 1, a share of all steps")
    weight_decay: float = setting(0.0, "weight decay of AdamW")
    max_grad_norm: float = setting(1.0, "clip gradients at this norm")
    optim: str = setting("adamw_torch", "optimiser, as transformers names it")
    logging_steps: int = setting(10, "log every so many steps")
    save_steps: int = setting(500, "save a checkpoint every so many steps")
    save_total_limit: int | None = setting(None, "keep only so many checkpoints")
    eval_strategy: str | None = setting(
        None, "when to evaluate (default: epoch where val_size is set)", choices=("no", "steps", "epoch")
    )
    eval_steps: float | None = setting(None, "evaluate every so many steps")
    seed: int = setting(42, "seed of everything random")
    fp16: bool = setting(False, "compute in 16-bit floats")
    bf16: bool = setting(False, "compute in bfloat16")
    report_to: str = setting("none", "also log to tensorboard, wandb, swanlab, …")


@dataclass
class PreferenceSettings:
    """Preferences"""

    pref_loss: str = setting(
        "sigmoid",
        "what is minimised: DPO's own loss, IPO, hinge (SLiC), ORPO or SimPO; the last two need no reference",
        choices=("sigmoid", "ipo", "hinge", "orpo", "simpo"),
    )
    pref_beta: float = setting(0.1, "how far the model may go from where it began; smaller is farther")
    pref_ftx: float = setting(0.0, "share of the plain loss of the chosen answer that is added")
    simpo_gamma: float = setting(0.5, "with simpo: the margin asked for")


@dataclass(kw_only=True)
class TrainSettings:
    """What every stage is told."""

    run: RunSettings
    model: ModelSettings
    data: DataSettings
    lora: LoraSettings
    training: TrainingSettings
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(kw_only=True)
class PtSettings(TrainSettings):
    """Pre-training: texts of a dataset_info.json in, a model that has read them out."""


@dataclass(kw_only=True)
class SftSettings(TrainSettings):
    """Supervised fine-tuning: records of a dataset_info.json in, a LoRA adapter out."""


@dataclass(kw_only=True)
class RmSettings(TrainSettings):
    """Reward model: pairs of a better and a worse answer in, a model that scores answers out."""


@dataclass(kw_only=True)
class DpoSettings(TrainSettings):
    """Preference tuning: pairs of a better and a worse answer in, a model that leans to the better out."""

    preference: PreferenceSettings
