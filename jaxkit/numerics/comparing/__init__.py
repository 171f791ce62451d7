"""What `compare_x64` is made of: both programs, how far they are apart, in words."""
