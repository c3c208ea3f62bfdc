# SPDX-License-Identifier: Apache-2.0
"""The published description of the service (OpenAPI 2) as JSON schemas that refuse more than it says
itself: unknown members, read-only members in requests, secrets in answers."""

import datetime
import functools
import json
import pathlib
import re

import jsonschema

FOLDER = pathlib.Path(__file__).resolve().parents[1] / "data/aci-spec"
VERSIONS = ("2023-05-01", "2025-09-01")
REQUEST, ANSWER = "request", "answer"

KEPT = ("type", "pattern", "minLength", "maxLength", "minItems", "maxItems", "enum",
        "minimum", "maximum", "uniqueItems", "format")
# Answers of exec and attach exist to hand out a password.
SECRETS_HANDED_OUT = ("ContainerExecResponse", "ContainerAttachResponse")
# The service returns neither, although the description does not mark the first (recorded traffic)
# and the second only by its name.
SECRETS_UNMARKED = ("storageAccountKey", "protectedSettings")

_formats = jsonschema.FormatChecker(formats=())


@_formats.checks("date-time")
def _is_time(value):
    """RFC 3339 in UTC; the service writes up to seven decimals, Python reads six."""
    if not isinstance(value, str):
        return True
    match = re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d{1,7})?Z", value)
    try:
        return bool(match and datetime.datetime.fromisoformat(match[1]))
    except ValueError:
        return False


@_formats.checks("int32")
def _is_int32(value):
    return not isinstance(value, int) or -2**31 <= value < 2**31


@_formats.checks("arm-id")
def _is_resource_id(value):
    return not isinstance(value, str) or value.startswith("/subscriptions/")


class Operation:
    """One operation: how its requests are recognised, the schemas of what goes over the wire."""

    def __init__(self, description, path, method, declared):
        self.name = declared["operationId"]
        self.method = method.upper()
        self._description = description
        self._declared = declared
        pattern = re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(path.rstrip("/")))
        self._path = re.compile(pattern, re.IGNORECASE)

    def serves(self, method, path):
        return method == self.method and bool(self._path.fullmatch(path.rstrip("/")))

    def statuses(self):
        return [int(code) for code in self._declared["responses"] if code != "default"]

    def request_schema(self, allow=()):
        """None where no body is declared."""
        for parameter in self._declared["parameters"]:
            if parameter.get("in") == "body":
                return self._description.schema(parameter["schema"], REQUEST, allow)
        return None

    def answer_schema(self, status, allow=()):
        """None where no body is declared; what is no declared success is an error's body."""
        responses = self._declared["responses"]
        declared = responses.get(str(status), responses["default"])
        if "schema" not in declared:
            return None
        return self._description.schema(declared["schema"], ANSWER, allow)

    def examples(self):
        for reference in self._declared.get("x-ms-examples", {}).values():
            file = self._description.file.parent / reference["$ref"]
            yield file.name, json.loads(file.read_text())


class Description:
    def __init__(self, version):
        self.version = version
        self.file = FOLDER / version / "containerInstance.json"
        root = json.loads(self.file.read_text())
        self.operations = [Operation(self, path, method, declared)
                           for path, item in root["paths"].items()
                           for method, declared in item.items()]

    def operation(self, method, path):
        return next((op for op in self.operations if op.serves(method, path)), None)

    def named(self, name):
        return next(op for op in self.operations if op.name == name)

    def schema(self, node, direction, allow):
        return _Translation(direction, allow).schema(self.file, node)


@functools.cache
def description(version):
    return Description(version)


@functools.cache
def _load(file):
    return json.loads(file.read_text())


def _resolve(file, reference):
    """The file and the node that a reference of a file leads to, and the node's own name."""
    name, _, pointer = reference.partition("#")
    if name:
        shared = name.partition("common-types/")[2]
        file = FOLDER / "common-types" / shared if shared else (file.parent / name).resolve()
    node = _load(file)
    for step in pointer.strip("/").split("/"):
        node = node[step.replace("~1", "/").replace("~0", "~")]
    return file, node, pointer.rpartition("/")[2]


class _Translation:
    """One schema; each definition it reaches becomes a member of its $defs."""

    def __init__(self, direction, allow):
        self._direction = direction
        self._allow = allow
        self._defs = {}

    def schema(self, file, node):
        return dict(self._node(file, node, None), **{"$defs": self._defs})

    def _reference(self, file, reference):
        target, node, name = _resolve(file, reference)
        key = f"{target.parent.name}.{name}"
        if key not in self._defs:
            self._defs[key] = {}  # definitions may lead back to themselves
            self._defs[key] = self._node(target, node, name)
        return {"$ref": f"#/$defs/{key}"}

    def _node(self, file, node, name):
        if "$ref" in node:
            return self._reference(file, node["$ref"])
        if "properties" in node or "allOf" in node:
            return self._object(file, node, name)
        made = {key: node[key] for key in KEPT if key in node}
        if "items" in node:
            made["items"] = self._node(file, node["items"], None)
        if isinstance(node.get("additionalProperties"), dict):
            made["additionalProperties"] = self._node(file, node["additionalProperties"], None)
        return made

    def _members(self, file, node):
        """Own and inherited members as (name, file, node), and the names of the required ones."""
        members, required = {}, set(node.get("required", ()))
        for parent in node.get("allOf", ()):
            where, parent = _resolve(file, parent["$ref"])[:2] if "$ref" in parent else (file, parent)
            inherited, more = self._members(where, parent)
            members.update(inherited)
            required |= more
        members.update((key, (file, value)) for key, value in node.get("properties", {}).items())
        return members, required

    def _object(self, file, node, name):
        members, required = self._members(file, node)
        properties = {}
        for key, (where, value) in members.items():
            secret = value.get("x-ms-secret") or key in SECRETS_UNMARKED
            if self._direction == REQUEST and value.get("readOnly") and key not in self._allow:
                properties[key] = False
            elif self._direction == ANSWER and secret and name not in SECRETS_HANDED_OUT:
                properties[key] = False
            else:
                properties[key] = self._node(where, value, None)
        for key in self._allow:
            properties.setdefault(key, True)
        required = {key for key in required if properties.get(key) is not False}
        extra = node.get("additionalProperties", False)
        return {"type": "object", "properties": properties, "required": sorted(required),
                "additionalProperties": self._node(file, extra, None)
                if isinstance(extra, dict) else extra}


def problems(schema, value):
    """One line for each violation, with the place of the value."""
    validator = jsonschema.Draft202012Validator(schema, format_checker=_formats)
    return [f"{error.json_path}: {error.message[:300]}" for error in validator.iter_errors(value)]
