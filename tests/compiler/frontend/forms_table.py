"""All forms, section by section."""

from __future__ import annotations

from tests.compiler.frontend.forms import Form
from tests.compiler.frontend.forms_attention import ATTENTION
from tests.compiler.frontend.forms_elements import ELEMENTS
from tests.compiler.frontend.forms_moves import MOVES
from tests.compiler.frontend.forms_norms import NORMS

FORMS: tuple[Form, ...] = (*ELEMENTS, *NORMS, *MOVES, *ATTENTION)
