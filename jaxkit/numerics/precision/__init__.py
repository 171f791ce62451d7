"""How far a function is from double precision, and which of its lines are to blame."""
