"""What `search_precision` is made of: parts, one program for all of them, delta debugging."""
