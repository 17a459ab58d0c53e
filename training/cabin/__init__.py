"""How the profiles of speech inside and outside a car were made: a simulation, from talker to classifier."""
