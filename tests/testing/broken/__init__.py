"""A blind set for the conformance kit: transforms that break one law each, and sound ones.

Written without a look at the kit. `demonstrate.py` shows each mistake by direct code.
"""
