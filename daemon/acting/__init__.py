"""What follows from a sound, and through which door it leaves."""
