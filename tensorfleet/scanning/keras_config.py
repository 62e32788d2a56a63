"""Scans configurations of Keras: which classes, functions and code loading them asks for."""

from __future__ import annotations

import re
from typing import Final

from tensorfleet.scanning.content import Content
from tensorfleet.scanning.gadgets import is_gadget
from tensorfleet.scanning.json_text import JsonObject, parsed, read_json, walk
from tensorfleet.scanning.limits import Malformed
from tensorfleet.scanning.part import Part, shown
from tensorfleet.scanning.templates import scan_template

_CODE: Final = {
    "Lambda": "a Lambda layer, which is code",
    "__lambda__": "a function as code",
    "TorchModuleWrapper": "a module of torch, as a pickle",
    "TFSMLayer": "a layer that loads another model",
}
_MODULES: Final = re.compile(
    r"(?:keras|tf_keras|keras\.src|tf_keras\.src|tensorflow\.keras|tensorflow\.python\.keras)"
    r"(?:\.(?:activations|constraints|initializers|layers|losses|metrics|models|optimizers|regularizers|dtype_policies"
    r"|quantizers|random|engine)(?:\.\w+)*)?"
)
_FUNCTIONS: Final = re.compile(r"(?:tf_)?keras\.(?:src\.)?(?:activations|initializers|losses|metrics)(?:\.\w+)*")
_PLAIN_TYPES: Final = frozenset(("str", "int", "float", "bool", "bytes", "tuple", "list", "dict", "slice"))
_DISARMING: Final = ("enable_unsafe_deserialization", "set_global_attribute", "safe_mode_saving")


def scan_json(content: Content, part: Part) -> None:
    try:
        document = read_json(content)
    except Malformed as error:
        (part.unscanned if error.code == "limit-json" else part.suspicious)(error.code, error.text)
        return
    scan_document(document, part)


def scan_document(document: object, part: Part) -> None:
    for value in walk(document):
        if isinstance(value, str):
            _scan_text(value, part)
        elif isinstance(value, JsonObject):
            if value.has_duplicates:
                part.suspicious("duplicate-key", "a key comes twice, of which readers take different ones")
            _scan_object(value, part)


def _scan_text(text: str, part: Part) -> None:
    if text in _DISARMING:
        part.dangerous("keras-disarms", f"calls {shown(text)}, which turns the safe mode off")
    elif text.startswith('{"') and '"class_name"' in text:  # a configuration within a configuration, as text
        try:
            nested = parsed(text.encode("utf-8", "replace"))
        except Malformed:
            return
        scan_document(nested, part)


def _scan_object(value: JsonObject, part: Part) -> None:
    for key, child in value.pairs:
        if "chat_template" in key:
            for text in walk(child):
                if isinstance(text, str):
                    scan_template(text, part)
        if key in ("class_name", "function_type") and child in (*_CODE, "lambda"):
            part.dangerous("keras-code", _CODE.get(str(child), "a function as code"))
        if key in ("module", "fn_module", "py_module") and isinstance(child, str) and value.get("class_name"):
            _scan_reference(child, value, part)
        known = isinstance(child, str) and child.split(">")[0] in ("keras", "keras_hub", "keras_nlp")
        if key == "registered_name" and isinstance(child, str) and ">" in child and not known:
            part.suspicious("keras-custom", f"asks for the custom object {shown(child)}")


def _scan_reference(module: str, value: JsonObject, part: Part) -> None:
    name, config = value.get("class_name"), value.get("config")
    target = config if name == "function" and isinstance(config, str) else name
    path = shown(f"{module}.{target}")
    if module == "builtins" and target in _PLAIN_TYPES:
        return
    function = name == "function"
    if (_FUNCTIONS if function else _MODULES).fullmatch(module) and isinstance(target, str) and target.isidentifier():
        return
    if is_gadget(module, str(target)):
        part.dangerous("dangerous-import", f"imports {path}, which can run code")
    else:
        part.suspicious("keras-custom", f"imports {path}, which is not known of Keras")
