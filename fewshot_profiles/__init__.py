"""Few-shot profiles: what a sound is called, the examples that taught it, and how it is matched."""
