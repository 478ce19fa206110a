"""From dataset_info.json to a trained adapter, and a conversation with it."""

__version__ = "0.1.0"
