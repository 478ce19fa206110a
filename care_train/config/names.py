"""Flags of other trainers: those that have another name here, and those that are gone."""

ALIASES = {
    "checkpoint_dir": "adapter_name_or_path",
    "system_prompt": "system",
    "default_system": "system",
    "evaluation_strategy": "eval_strategy",
    "overlong_policy": "overlong",
    "neat_packing": "packing",
    "dpo_beta": "pref_beta",
    "dpo_loss": "pref_loss",
    "dpo_ftx": "pref_ftx",
    "num_layer_trainable": "freeze_trainable_layers",
}
REMOVED = {
    "warmup_ratio": "Use --warmup_steps: below 1 it is a share of all steps.",
    "group_by_length": "Use --train_sampling_strategy group_by_length.",
    "no_cuda": "Use --use_cpu.",
    "save_safetensors": "Leave it out: weights are always saved as safetensors.",
    "logging_dir": "Leave it out: trainer_log.jsonl lies in --output_dir.",
    "max_source_length": "Use --cutoff_len for question and answer together.",
    "max_target_length": "Use --cutoff_len for question and answer together.",
    "load_in_4bit": "Use --quantization_bit 4.",
    "load_in_8bit": "Use --quantization_bit 8.",
    "trust_remote_code": "Leave it out: code from a model's folder is never run.",
    "preprocessing_num_workers": "Leave it out: tokenising uses every core.",
    "padding_side": "Leave it out: training pads on the right.",
    "resume_lora_training": "Use --adapter_name_or_path to go on with an adapter; without it a new one is made.",
    "tokenizer_name": "Leave it out: the tokenizer comes with --model_name_or_path.",
    "api_key": "Everyone on this machine could read it: set the environment variable CARE_API_KEY, or --api_key_file.",
    "cache_dir": "Set the environment variable HF_HOME.",
}
