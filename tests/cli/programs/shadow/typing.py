print("own typing")
