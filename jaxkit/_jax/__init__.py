"""The only folder that touches JAX's private parts, its stack frames and its versions.

Each file says on which JAX it was read. Where something has moved, a reader returns "unknown";
it never raises into the user's program and never guesses.
"""
