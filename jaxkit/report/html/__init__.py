"""The parts of the HTML page: templates, style, script, and the layout of pictures."""
