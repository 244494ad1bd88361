"""C projects: one directory for one deployment, and nothing in it that the deployment does not say."""

from compiler.codegen.project import Golden, emit_project

__all__ = ["Golden", "emit_project"]
