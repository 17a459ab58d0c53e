"""MQTT discovery: what Home Assistant is told of a node, in either dialect."""
