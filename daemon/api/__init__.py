"""The door over HTTP: the same questions and orders as on the command line, for browsers and programs."""
