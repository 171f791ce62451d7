print("own json")
