"""What was compiled, why, and what it cost."""
