# SPDX-License-Identifier: LGPL-2.1-or-later
"""The report's JSON Schema, for the checks."""

import json

import jsonschema


def _close(schema):
    """The installed schema lets members be added; here every one must be described."""
    if isinstance(schema, dict):
        if "properties" in schema and schema.get("type") == "object":
            schema["additionalProperties"] = False
        for value in schema.values():
            _close(value)
    elif isinstance(schema, list):
        for value in schema:
            _close(value)


def _validator(schema):
    """Equal parts of documents are judged by a definition once: a report's parts are mostly those of the one before it."""
    judge, good = jsonschema.Draft202012Validator.VALIDATORS["$ref"], set()

    def judge_once(validator, ref, instance, parent):
        part = ref, json.dumps(instance)
        if part not in good:
            errors = list(judge(validator, ref, instance, parent))
            yield from errors
            if not errors:
                good.add(part)

    return jsonschema.validators.extend(jsonschema.Draft202012Validator, {"$ref": judge_once})(schema)


class Report:
    def __init__(self, path):
        with open(path) as file:
            schema = json.load(file)
        jsonschema.Draft202012Validator.check_schema(schema)
        self._open = _validator(schema)
        closed = json.loads(json.dumps(schema))
        _close(closed)
        self._closed = _validator(closed)

    def check(self, text):
        """The report in `text`, or ValidationError."""
        report = json.loads(text)
        self._open.validate(report)
        self._closed.validate(report)
        return report
