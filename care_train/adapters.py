"""What a trained folder holds, the base model it belongs to, and both put together.

A folder is what `care-train` or another trainer left: an adapter, or a whole model (freeze, full, an export).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from care_train.checkpoints import read_note
from care_train.config import LoadSettings, ModelSettings, usage
from care_train.errors import CareError, Exit
from care_train.fingerprints import fingerprint
from care_train.models import DTYPES, load_model


@dataclass(frozen=True)
class Trained:
    """Where a model's parts lie. base: the model below the adapters; adapters: in the order they are put on.

    template and system: what it was trained with, None where nobody noted it; bits: what the base was quantised to.
    tokenizer: the folder it is read from.
    """

    base: str
    adapters: tuple[Path, ...]
    template: str | None
    system: str | None
    bits: int | None
    tokenizer: str
    notes: tuple[dict[str, Any], ...]

    @property
    def name(self) -> str:
        """What to call the model: the name of the last folder."""
        return Path(self.adapters[-1] if self.adapters else self.base).resolve().name


def find_trained(settings: LoadSettings) -> Trained:
    """The parts that the settings name; raises where a folder holds none, or adapter and base do not belong together.

    A folder given as adapter that holds a whole model is the base. What its care_train.json notes fills what the
    settings leave open.
    """
    given = [Path(part.strip()) for part in (settings.adapter_name_or_path or "").split(",") if part.strip()]
    adapters = tuple(folder for folder in given if not is_whole_model(folder))
    for folder in adapters:
        if not (folder / "adapter_config.json").exists():
            fix = "Give the --output_dir of a finished run, or an adapter of another trainer."
            raise CareError("no adapter there", where=str(folder), fix=fix)
    wholes = [folder for folder in given if folder not in adapters]
    if len(wholes) > 1 or (wholes and given[0] != wholes[0]):
        raise usage("a whole model can only come first, alone", "Name it, then the adapters trained on it.")
    notes = tuple(read_note(folder) for folder in given)
    named = settings.model_name_or_path if settings.model_name_or_path != "tiny" or not adapters else None
    base = str(wholes[0]) if wholes else named or _find_base(adapters, notes)
    for folder, note in zip(adapters, notes[len(wholes) :], strict=True):
        check_base(folder, note, base)
    check_order(adapters, notes[len(wholes) :])
    last: dict[str, Any] = notes[-1] if notes else read_note(Path(base))
    own = [folder for folder in reversed(given) if (folder / "tokenizer_config.json").exists()]
    return Trained(
        base,
        adapters,
        last.get("template"),
        last.get("system"),
        last.get("quantization_bit") if adapters else None,
        str(own[0]) if own else base,
        notes,
    )


def is_whole_model(folder: Path) -> bool:
    """Whether a folder holds a model, not only an adapter."""
    return (folder / "config.json").exists() and not (folder / "adapter_config.json").exists()


def _find_base(adapters: tuple[Path, ...], notes: tuple[dict[str, Any], ...]) -> str:
    """Where the first adapter's base model is; one made with it (`tiny`) moves with its folder."""
    if not adapters:
        fix = "Name the adapter's folder, or a model with --model_name_or_path."
        raise usage("no model named", fix)
    adapter, note = adapters[0], notes[0]
    trained_on = note.get("settings", {}).get("model", {}).get("model_name_or_path", "tiny")
    # A base left there by an earlier run is not that of an adapter trained on another model since,
    # if that model is to be had.
    another = trained_on != "tiny" and (not Path(trained_on).is_absolute() or Path(note["base"]).exists())
    if (adapter / "base" / "config.json").exists() and not another:
        return str(adapter / "base")
    if note.get("base"):
        return str(note["base"])
    from peft import PeftConfig

    return str(PeftConfig.from_pretrained(str(adapter)).base_model_name_or_path)


def check_base(adapter: Path, note: dict[str, Any], base: str) -> None:
    """Raise where the adapter is known to have been trained on other weights than those of `base`."""
    expected, found = note.get("base_fingerprint"), fingerprint(base)
    if expected and found and expected != found:
        trained_on = note.get("base", "another model")
        what = f"the adapter was trained on other weights than those of {base}"
        fix = f"Give the base it was trained on ({trained_on}) with --model_name_or_path."
        raise CareError(what, where=str(adapter), fix=fix, code=Exit.INTEGRITY)


def check_order(adapters: tuple[Path, ...], notes: tuple[dict[str, Any], ...]) -> None:
    """Raise where an adapter went on from one named before it: it holds that one already, which would count twice."""
    for place, note in enumerate(notes):
        went_on = note.get("settings", {}).get("model", {}).get("adapter_name_or_path")
        for earlier in adapters[:place]:
            if went_on and Path(went_on).resolve() == earlier.resolve():
                what = f"{adapters[place]} went on from {earlier} and holds it already"
                raise usage(what, f"Leave {earlier} out.")


def put_together(trained: Trained, bits: int | None, dtype: str = "auto") -> nn.Module:
    """The base in so many bits with its adapters: all but the last merged into it, the last put on, in eval mode."""
    if bits and len(trained.adapters) > 1:
        fix = f"Export all but the last into one model, or load in full: --quantization_bit 16 (not {bits})."
        raise usage("several adapters cannot be merged into quantised weights", fix)
    settings = ModelSettings(model_name_or_path=trained.base, quantization_bit=bits)
    model: Any = load_model(settings, dtype=DTYPES.get(dtype))
    for place, adapter in enumerate(trained.adapters):
        model = put_on(model, adapter)
        if place < len(trained.adapters) - 1:
            model = model.merge_and_unload()
    return model.eval()


def put_on(model: nn.Module, adapter: Path) -> Any:
    """The model with an adapter on it; one that does not fit is named."""
    from peft import PeftModel

    try:
        return PeftModel.from_pretrained(model, str(adapter))
    except (RuntimeError, ValueError) as error:
        first = next((line.strip() for line in str(error).split("\n") if "size mismatch" in line), str(error))
        fix = "Give the base it was trained on with --model_name_or_path."
        what = f"the adapter does not fit the base model: {first.split(chr(10))[0][:160].rstrip('.')}"
        raise CareError(what, where=str(adapter), fix=fix, code=Exit.INTEGRITY) from error
