"""The demonstration: sounds of our own making go through the very same daemon, before the user's eyes."""

DEFAULT_SEED = 0
