print("own typer")
