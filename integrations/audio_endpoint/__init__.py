"""A full audio model behind an OpenAI-compatible interface: vLLM, SGLang, llama-server and others.

Sound leaves the machine through here and nowhere else, and only to the endpoint that the owner named.
Questions are asked as `daemon.audio_model.client` asks the model on the machine itself.
"""
