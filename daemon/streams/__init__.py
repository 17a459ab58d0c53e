"""From a source to a stream's events: what each microphone carries on its way through the pipeline."""
