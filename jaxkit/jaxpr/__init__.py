"""What a program will do: its equations, walked and interpreted, their cost, and what is odd."""
