"""An export from settings to a folder: load, compare, merge, write, read back, compare again, give it its name."""

import resource
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from care_train.adapters import Trained, find_trained
from care_train.config import ModelSettings
from care_train.config.exporting import ExportSettings, FolderSettings, check_export
from care_train.errors import CareError, Exit
from care_train.exporting import merging
from care_train.exporting.chat_templates import Joints, find_jinja, find_named
from care_train.exporting.comparison import BOUNDS, Comparison, compare, compute_logits, list_prompts
from care_train.exporting.modelfiles import write_modelfile
from care_train.exporting.notes import write_story
from care_train.exporting.places import claim, need_room
from care_train.generation.chatbots import ENDLESS, choose_template
from care_train.models import load_model, load_tokenizer
from care_train.templates import Template
from care_train.tokens import list_ends

Say = Callable[[str], None]


@dataclass(frozen=True)
class Export:
    """What an export gave. largest: difference of two logits before and after, agreement: of the likeliest tokens.

    scores: a reward model. chat_template, modelfile: whether other tools ask this model as it was trained. memory: the
    most, in bytes.
    """

    folder: str
    dtype: str
    parameters: int
    bytes: int
    adapters: list[str]
    scores: bool
    template: str | None
    chat_template: bool
    modelfile: bool
    largest: float
    bound: float
    agreement: float
    places: int
    seconds: float
    memory: int


@dataclass(frozen=True)
class Plan:
    """What is to be merged, read before any weights. scores: a reward model."""

    trained: Trained
    tokenizer: Any
    template: Template | None
    system: str | None
    scores: bool
    dtype: torch.dtype
    bound: float


def export(settings: ExportSettings, say: Say) -> Export:
    """The model that adapters and base make together, in a folder of its own.

    Raises (INTEGRITY) where base and adapters do not belong together, or the folder read back says something else than
    they did; then, as after any other error, there is no folder.
    """
    started = time.monotonic()
    check_export(settings)
    plan = make_plan(settings, say)
    trained, folder = plan.trained, settings.folder
    read = [Path(trained.base), *trained.adapters, Path(trained.tokenizer)]
    sources = [path for path in read if path.exists()]
    with claim(Path(folder.output_dir), sources, overwrite=folder.overwrite_output_dir) as part:
        prompts = list_prompts(plan.tokenizer, plan.template, plan.system)
        before, ends = write_model(plan, prompts, part, folder, say)
        chat_template, modelfile = write_templates(plan, part, ends, say)
        written = load_model(
            ModelSettings(model_name_or_path=str(part)),
            dtype=torch.float32,
            scores=plan.scores,
            pad_id=plan.tokenizer.pad_token_id,
            device=folder.device,
        )
        found = compare(before, compute_logits(written, prompts))
        check_difference(found, plan.bound, "the files written")
        result = Export(
            folder=folder.output_dir,
            dtype=str(plan.dtype).removeprefix("torch."),
            parameters=written.num_parameters(),  # type: ignore[operator]
            bytes=sum(path.stat().st_size for path in part.glob("*.safetensors")),
            adapters=[str(one) for one in trained.adapters],
            scores=plan.scores,
            template=plan.template.name if plan.template else None,
            chat_template=chat_template,
            modelfile=modelfile,
            **asdict(found),
            bound=plan.bound,
            seconds=round(time.monotonic() - started, 2),
            memory=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        )
        write_story(part, trained, plan.system, asdict(result), folder.notice)
    return result


def make_plan(settings: ExportSettings, say: Say) -> Plan:
    """Everything that can be wrong without reading weights."""
    trained = find_trained(settings.load)
    config = merging.read_config(trained.base)
    tokenizer = load_tokenizer(trained.tokenizer)
    named = settings.load.template
    template = choose_template(named, trained, say) if named or trained.template else None
    if template is None and tokenizer.chat_template:
        template = choose_template("auto", trained, say)
    if template:
        list_ends(tokenizer, template)  # raises for a template that is not of this tokenizer
    if trained.bits:
        say(f"note: trained on a base of {trained.bits} bits, merged into the full one: as chat --quantization_bit 16")
    dtype = merging.choose_dtype(settings.folder.dtype, config)
    bound = settings.folder.max_difference
    system = settings.load.system if settings.load.system is not None else trained.system
    scores = merging.is_reward_model(trained, config)
    return Plan(trained, tokenizer, template, system, scores, dtype, BOUNDS[dtype] if bound is None else bound)


def write_model(
    plan: Plan, prompts: list[list[int]], part: Path, folder: FolderSettings, say: Say
) -> tuple[list[torch.Tensor], list[int]]:
    """(logits of base and adapters before merging, ids that end an answer); the merged weights lie in `part`."""
    trained, tokenizer = plan.trained, plan.tokenizer
    say(f"base: {trained.base}")
    model: Any = merging.load_unmerged(
        trained, scores=plan.scores, pad_id=tokenizer.pad_token_id, device=folder.device, say=say
    )
    merging.check_vocabulary(tokenizer, model, trained.base)
    need_room(part, sum(weight.numel() for weight in model.parameters()) * plan.dtype.itemsize)
    before = compute_logits(model, prompts)
    if trained.adapters:
        model = merging.merge(model, trained.adapters[-1])
        # Held apart from the rounding that follows, which could hide a small adapter that was lost.
        exact = BOUNDS[torch.float32] if folder.max_difference is None else folder.max_difference
        check_difference(compare(before, compute_logits(model, prompts)), exact, "the merged weights")
    model = model.to(plan.dtype)
    ends = set_ends(model, plan)
    say(f"writing {str(plan.dtype).removeprefix('torch.')} to {part}")
    model.save_pretrained(part, max_shard_size=folder.max_shard_size)
    for path in part.glob("*.safetensors"):  # else they are for their owner alone
        path.chmod((part / "config.json").stat().st_mode)
    return before, ends


def set_ends(model: Any, plan: Plan) -> list[int]:
    """Ids that end an answer, the end of text first; in the generation config from now on, with the pad token."""
    tokenizer, config = plan.tokenizer, getattr(model, "generation_config", None)
    named = list_ends(tokenizer, plan.template) if plan.template else frozenset({tokenizer.eos_token_id})
    stated = config.eos_token_id if config else None
    ends = {*named, *(stated if isinstance(stated, list) else [stated])} - {None}
    ids = sorted(ends, key=lambda one: (one != tokenizer.eos_token_id, one))
    if config is not None and not plan.scores:
        config.eos_token_id = ids if len(ids) > 1 else ids[0]
        config.pad_token_id = tokenizer.pad_token_id
        # Some models state a temperature with greedy decoding, which transformers refuses to write.
        config.do_sample = config.do_sample or any((config.temperature, config.top_p, config.top_k))
    return ids


def write_templates(plan: Plan, part: Path, ends: list[int], say: Say) -> tuple[bool, bool]:
    """Write tokenizer, chat template and Modelfile; gives whether the last two ask the model as it was trained."""
    tokenizer, template = plan.tokenizer, plan.template
    found = find_jinja(tokenizer, template, plan.system) if template else None
    if template and not found:
        say(f"warning: no chat template is written: no Jinja gives the ids of template {template.name} here")
    own = find_named(tokenizer) if template and template.own and found else None
    tokenizer.chat_template = found[0] if found else None
    tokenizer.save_pretrained(part)
    if template is None or plan.scores:
        return bool(found), False
    default = template.default_system if plan.system is None else plan.system
    if template.own:
        default = plan.system or (own[1] if own else "")
        if plan.system and not (own and own[1] == plan.system):
            say(f"note: trained with the system prompt {plan.system!r}, which other tools have to be told")
    told = own[0] if own else None if template.own else template
    stops = [tokenizer.convert_ids_to_tokens(one) for one in ends] + list(template.stop_words)
    window = getattr(load_text_config(part), "max_position_embeddings", None) or ENDLESS
    joints = found[1] if found else Joints()
    text = write_modelfile(tokenizer, told if found else None, joints, default, list(dict.fromkeys(stops)), window)
    (part / "Modelfile").write_text(text, encoding="utf-8")
    if found and not told:
        say("warning: the Modelfile has no TEMPLATE: the model's own chat template is none that we know")
    return bool(found), bool(found and told)


def load_text_config(folder: Path) -> Any:
    """The config of what writes words."""
    return merging.read_config(str(folder)).get_text_config(decoder=True)


def check_difference(found: Comparison, bound: float, who: str) -> None:
    """Raise where `who` do not say what base and adapters said."""
    if found.largest <= bound:
        return
    what = (
        f"{who} say other than before: logits differ by {found.largest:.3g}, at most {bound:g} is expected, and "
        f"{found.agreement:.1%} of the likeliest tokens agree"
    )
    fix = "Nothing was exported; --dtype float32 rounds least, --max_difference allows more."
    raise CareError(what, fix=fix, code=Exit.INTEGRITY)
