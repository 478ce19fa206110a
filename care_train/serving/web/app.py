"""The page as an ASGI application, with gradio's own requests to the world switched off."""

import os
from pathlib import Path

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # read when gradio is imported

import gradio as gr
from fastapi import FastAPI

from care_train.config import SamplingSettings
from care_train.generation import Engine
from care_train.serving.web.guard import LOCAL, App, Guard
from care_train.serving.web.page import Page
from care_train.serving.web.theme import THEME

HERE = Path(__file__).parent


def make_app(
    engine: Engine, sampling: SamplingSettings, *, notice: bool, login: tuple[str, str] | None, local: bool
) -> App:
    """The page behind its guard. local: it answers only to this machine's own names."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    gr.mount_gradio_app(
        app,
        Page(engine, sampling, notice=notice).blocks,
        path="/",
        footer_links=[],
        run_history=False,  # it would keep what was said in the browser
        app_kwargs={"docs_url": None, "redoc_url": None, "openapi_url": None},
        show_error=False,
        max_file_size="1kb",  # nothing is uploaded here
        ssr_mode=False,
        enable_monitoring=False,
        pwa=False,
        mcp_server=False,
        theme=THEME,
        css=(HERE / "style.css").read_text(encoding="utf-8"),
        js=(HERE / "script.js").read_text(encoding="utf-8"),
    )
    return Guard(app, hosts=LOCAL if local else None, login=login)
