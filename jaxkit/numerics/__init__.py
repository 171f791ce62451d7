"""Is it right: values that are not finite, the same in 64 bits."""
