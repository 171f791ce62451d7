print("own atexit")
