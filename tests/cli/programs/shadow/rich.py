print("own rich")
