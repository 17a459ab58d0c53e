"""The full audio model in a process of its own: whatever becomes of it, listening goes on."""
