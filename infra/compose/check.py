#!/usr/bin/env python3
"""Checks a compose file against the schema of the compose specification: check.py <compose file> <schema>."""

import json
import sys

try:
    import jsonschema
    import yaml
except ImportError as missing:
    sys.exit(f"{missing.name} is missing, install it with: apt-get install python3-jsonschema python3-yaml")

with open(sys.argv[1], encoding="utf-8") as file:
    compose = yaml.safe_load(file)
with open(sys.argv[2], encoding="utf-8") as file:
    schema = json.load(file)
errors = list(jsonschema.Draft7Validator(schema).iter_errors(compose))
for error in errors:
    print(f"{sys.argv[1]}: {'.'.join(map(str, error.absolute_path))}: {error.message}", file=sys.stderr)
sys.exit(1 if errors else 0)
