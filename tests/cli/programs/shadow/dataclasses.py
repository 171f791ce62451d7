print("own dataclasses")
