"""Hypothesis strategies that more than one test uses."""

from hypothesis import strategies as st

from jaxkit.report import Finding, Report, SourceLine

# Anything that Python calls a string, lone surrogates included: names of files need not be Unicode.
any_text = st.text(st.characters(), max_size=20)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | any_text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(any_text, inner, max_size=4),
    max_leaves=12,
)

json_objects = st.dictionaries(any_text, json_values, max_size=4)

source_lines = st.builds(
    SourceLine,
    file=any_text,
    line=st.integers(0, 10**6),
    column=st.none() | st.integers(1, 200),
    function=any_text,
)

findings = st.builds(
    Finding,
    kind=st.from_regex(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", fullmatch=True),
    severity=st.sampled_from(["error", "warning", "info"]),
    message=any_text.filter(str.strip),
    where=st.none() | source_lines,
    fix=st.none() | any_text,
    data=json_objects,
)

reports = st.builds(
    Report,
    tool=any_text.filter(bool),
    findings=st.lists(findings, max_size=4),
    data=json_objects,
    versions=st.none() | st.dictionaries(any_text, any_text, max_size=3),
)
