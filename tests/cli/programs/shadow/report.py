print("own report")
