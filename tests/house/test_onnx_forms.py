"""docs/onnx-forms.md says what the tested table says."""

from __future__ import annotations

from tests.compiler.frontend.forms import DOCUMENT, document
from tests.compiler.frontend.forms_table import FORMS


def test_the_page_is_current() -> None:
    assert DOCUMENT.read_text() == document(FORMS), "run python -m tests.compiler.frontend.forms"


def test_names_are_unique_in_a_section() -> None:
    names = [(form.section, form.name) for form in FORMS]
    assert len(set(names)) == len(names)
