"""Everything that people manage, as one YAML file: applied in one go, exported in the same form."""

from ondol.application.declaration.apply import Change, DeclarationRoom, apply_declaration, export_declaration
from ondol.application.declaration.schema import Declaration, parse_declaration, to_yaml

__all__ = ["Change", "Declaration", "DeclarationRoom", "apply_declaration", "export_declaration", "parse_declaration", "to_yaml"]
