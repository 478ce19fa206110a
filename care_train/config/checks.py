"""What is missing or contradictory, said before anything is loaded."""

from care_train.config.fields import usage
from care_train.config.training import DataSettings, TrainingSettings, TrainSettings
from care_train.config.using import SamplingSettings


def check(settings: TrainSettings, stage: str) -> None:
    """Raise for what is missing or contradictory, before anything is loaded; fill in what follows from the rest."""
    if settings.run.stage not in ("", stage):
        raise usage(f"--stage {settings.run.stage} contradicts the command {stage}", "Leave one of them out.")
    settings.run.stage = stage
    missing = [
        name
        for name, value in (
            ("--model_name_or_path", settings.model.model_name_or_path),
            ("--dataset", settings.data.dataset),
            ("--template", settings.data.template or stage == "pt"),
            ("--output_dir", settings.run.output_dir),
        )
        if not value
    ]
    if missing:
        raise usage(f"{', '.join(missing)} missing", "Give it on the command line or in a recipe file.")
    if settings.training.fp16 and settings.training.bf16:
        raise usage("--fp16 and --bf16 exclude each other", "Keep one.")
    if not settings.training.do_train:
        raise usage("--do_train false leaves nothing to do", "Leave it out.")
    if settings.lora.finetuning_type != "lora" and settings.model.quantization_bit:
        fix = "Quantised weights cannot learn: use --finetuning_type lora."
        raise usage(f"--quantization_bit with --finetuning_type {settings.lora.finetuning_type}", fix)
    if settings.lora.finetuning_type != "lora" and settings.model.adapter_name_or_path:
        raise usage("--adapter_name_or_path needs --finetuning_type lora", "Export the adapter into a model first.")
    joined = next((name for name in ("packing", "padding_free") if getattr(settings.data, name)), None)
    if joined and stage not in ("pt", "sft"):
        raise usage(f"--{joined} is not for {stage}", "Leave it out: pairs are padded.")
    if settings.data.packing and settings.data.streaming:
        raise usage("--packing needs all lengths, --streaming has none", "Use --padding_free, or leave one out.")
    if settings.data.cutoff_len < 8:
        raise usage(f"--cutoff_len {settings.data.cutoff_len} holds no example", "Give at least 8.")
    if settings.model.model_name_or_path == "tiny" and settings.model.adapter_name_or_path:
        raise usage("`tiny` is built anew, so no earlier adapter fits it", "Leave --adapter_name_or_path out.")
    check_data(settings.data, settings.training)
    measured = settings.data.val_size or settings.data.eval_dataset
    if measured and settings.training.eval_strategy is None:
        settings.training.eval_strategy = "steps" if settings.data.streaming else "epoch"
    if settings.lora.lora_alpha is None:
        settings.lora.lora_alpha = 2 * settings.lora.lora_rank


def check_data(data: DataSettings, training: TrainingSettings) -> None:
    """Raise for settings of the data that contradict each other."""
    if data.val_size and data.eval_dataset:
        raise usage("--val_size and --eval_dataset exclude each other", "Keep one.")
    if data.max_samples is not None and data.max_samples < 1:
        raise usage(f"--max_samples {data.max_samples} leaves nothing", "Give at least 1, or leave it out.")
    if not data.streaming:
        return
    if training.max_steps < 1:
        raise usage("--streaming without a number of steps", "Give --max_steps, as nobody knows how many records come.")
    if data.val_size:
        raise usage("--val_size with --streaming", "Name a dataset with --eval_dataset.")
    if data.buffer_size < 1:
        raise usage(f"--buffer_size {data.buffer_size} holds no record", "Give at least 1.")


def check_sampling(sampling: SamplingSettings) -> None:
    """Raise for settings that give no answer."""
    low = next(
        (
            name
            for name, value, least in (
                ("max_new_tokens", sampling.max_new_tokens, 1),
                ("temperature", sampling.temperature, 0),
                ("top_p", sampling.top_p, 0),
            )
            if value < least
        ),
        None,
    )
    if low or sampling.repetition_penalty <= 0:
        name = low or "repetition_penalty"
        raise usage(f"--{name} {getattr(sampling, name):g} gives no answer", "See care-train chat --help.")
