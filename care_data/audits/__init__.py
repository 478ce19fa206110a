"""Releases held to what they say of themselves, and one release beside another."""
