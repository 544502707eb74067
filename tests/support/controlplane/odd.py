"""What nobody should write, and somebody will."""

from hypothesis import strategies as st

ODD_TEXT = st.text(st.characters(), max_size=30)  # lone surrogates too
NAMES = st.sampled_from(
    ["id", "timestamp", "message", "extractedFields", "logEvents", "awslogs", "data", "", ".", "a.b", "user", "level"]
)
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | ODD_TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES | ODD_TEXT, inner, max_size=4),
    max_leaves=12,
)
