"""The voice assistants' protocol: microphones that speak it, and satellites that a sound is to wake."""
