"""The language of `filter=`: its grammar, its syntax tree, and its translation into MongoDB's filters."""

from services.query_api.lists.filter_language.compiler import Compiled, compiled
from services.query_api.lists.filter_language.parser import MOST_CHARACTERS

__all__ = ["MOST_CHARACTERS", "Compiled", "compiled"]
