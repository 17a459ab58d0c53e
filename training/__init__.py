"""How the shipped encoder and the stock profiles were made, from recordings to files, reproducibly."""
