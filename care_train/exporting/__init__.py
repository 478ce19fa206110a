"""A trained adapter becomes a model of its own: merged, held against what was trained, ready for other tools."""
