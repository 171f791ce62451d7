"""Several errors at once."""


def fail(kind):
    raise kind("part")


errors = []
for kind in (ValueError, OSError):
    try:
        fail(kind)
    except Exception as error:
        error.add_note("a note")
        errors.append(error)
raise ExceptionGroup("all of it", errors)
