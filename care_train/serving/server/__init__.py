"""A server that answers OpenAI's requests: chat and text completions of one model."""

from care_train.serving.server.process import serve

__all__ = ["serve"]
