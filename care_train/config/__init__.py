"""Settings: dataclasses with one help line a field, checked before anything is loaded."""

from care_train.config.checks import check, check_sampling
from care_train.config.fields import list_values, setting, usage
from care_train.config.names import ALIASES, REMOVED
from care_train.config.serving import (
    AnswerSettings,
    ServerSettings,
    ServeSettings,
    check_listening,
    check_serving,
    list_origins,
)
from care_train.config.training import (
    DataSettings,
    DpoSettings,
    LoraSettings,
    ModelSettings,
    PreferenceSettings,
    PtSettings,
    RmSettings,
    RunSettings,
    SftSettings,
    TrainingSettings,
    TrainSettings,
)
from care_train.config.using import (
    ChatSettings,
    LoadSettings,
    PageSettings,
    QuestionSettings,
    SamplingSettings,
    WebSettings,
)

__all__ = [
    "ALIASES",
    "REMOVED",
    "AnswerSettings",
    "ChatSettings",
    "DataSettings",
    "DpoSettings",
    "LoadSettings",
    "LoraSettings",
    "ModelSettings",
    "PageSettings",
    "PreferenceSettings",
    "PtSettings",
    "QuestionSettings",
    "RmSettings",
    "RunSettings",
    "SamplingSettings",
    "ServeSettings",
    "ServerSettings",
    "SftSettings",
    "TrainSettings",
    "TrainingSettings",
    "WebSettings",
    "check",
    "check_listening",
    "check_sampling",
    "check_serving",
    "list_origins",
    "list_values",
    "setting",
    "usage",
]
