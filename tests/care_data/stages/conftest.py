"""Stages up to one, run in this process."""

import pytest

from care_data import registry
from care_data.pipeline import run_stages
from care_data.stages import Settings
from care_data.store import Store


@pytest.fixture
def up_to(shelf):
    """up_to(stage, *corpora, **settings): the manifests of that stage by corpus; the first failure is raised."""

    def run(stage, *corpora, **changes):
        settings = Settings(Store(shelf.data), **{"mirror": str(shelf.mirror), **changes})
        registry.groups.cache_clear()
        result = run_stages(registry.select(list(corpora) or shelf.names), settings, stage, lambda *_: None)
        for error in result.failures.values():
            raise error
        return result.manifests[stage]

    return run
