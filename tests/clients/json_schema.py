"""Validates JSON against the part of JSON Schema that OpenAI's openapi.yaml uses for answers.

Returns what is wrong as texts "path: reason"; list positions in paths are written [].
"""

TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}


class Schemas:
    def __init__(self, document):
        self.document = document

    def named(self, name):
        return self.document["components"]["schemas"][name]

    def resolved(self, schema):
        while "$ref" in schema:
            node = self.document
            for part in schema["$ref"].removeprefix("#/").split("/"):
                node = node[part]
            schema = node
        return schema

    def errors(self, value, schema, path=""):
        schema = self.resolved(schema)
        if value is None and schema.get("nullable"):
            return []
        found = []
        for part in schema.get("allOf", []):
            found += self.errors(value, part, path)
        for word in ("anyOf", "oneOf"):
            if word in schema:
                found += self.of_alternatives(value, schema[word], path)
        found += self.of_type(value, schema, path)
        return found

    def of_alternatives(self, value, alternatives, path):
        results = [self.errors(value, alternative, path) for alternative in alternatives]
        if any(not r for r in results):
            return []
        # Of the alternative that was meant: the one that fits down to the deepest place.
        return max(results, key=lambda errors: min(e.split(":")[0].count(".") for e in errors))

    def of_type(self, value, schema, path):
        kind = schema.get("type")
        kinds = kind if isinstance(kind, list) else [kind] if kind else []
        if kinds and not any(self.is_of(value, k) for k in kinds):
            return [f"{path}: is {type(value).__name__}, not {' or '.join(kinds)}"]
        if "enum" in schema and value not in schema["enum"]:
            return [f"{path}: {value!r} is none of {schema['enum']}"]
        found = []
        if isinstance(value, dict):
            found += [f"{path}: lacks {key}" for key in schema.get("required", [])
                      if key not in value]
            for key, inner in schema.get("properties", {}).items():
                if key in value:
                    found += self.errors(value[key], inner, f"{path}.{key}")
        if isinstance(value, list) and "items" in schema:
            for item in value:
                found += self.errors(item, schema["items"], f"{path}[]")
        return found

    @staticmethod
    def is_of(value, kind):
        if kind == "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        if kind == "number":
            return isinstance(value, (int, float)) and not isinstance(value, bool)
        return isinstance(value, TYPES[kind])
