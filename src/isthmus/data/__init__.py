"""Data sets: the register, what makes or reads each, and the prepared form that training reads."""
