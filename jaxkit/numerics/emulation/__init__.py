"""What `emulate` is made of: formats, which equations are meant, sums kept in few digits."""
