#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""validate_result: checks racebench's results against their JSON Schemas.

scripts/validate_result.py FILE|FOLDER...
  FILE     a result.json (--out json=FILE) or a history (name ends in .jsonl)
  FOLDER   a run's folder: its result.json, and its history.jsonl if there is one

Beyond the schemas it checks what they cannot say: of a history, that times do not go back, that
indices count up, and that each process has one operation open at a time; of a result, that the
verdicts explain the exit code, that what is expected goes with what is claimed, and that a matrix
has no cell twice.

Exit 0: all valid; 1: something is not (one line each on stderr); 64: usage; 65: a file cannot be
read or is no JSON; 69: python3-jsonschema is missing. It is Debian's interpreter that runs this,
since a python3 on the PATH may not see Debian's packages.
"""
import json
import os
import sys

try:
    import jsonschema
except ImportError:
    sys.exit(
        print(
            "validate_result: the module jsonschema is missing; install it with: "
            "sudo apt-get install -y python3-jsonschema",
            file=sys.stderr,
        )
        or 69
    )

RESULTS = os.path.join(os.path.dirname(os.path.dirname(os.path.realpath(__file__))), "results")
COMPLAINTS_MAX = 20


def fail(code, message):
    print(f"validate_result: {message}", file=sys.stderr)
    sys.exit(code)


def no_constant(name):
    raise ValueError(f"{name} is not JSON")


def unique(pairs):
    """An object whose keys are all different; Python would keep the last one silently."""
    keys = [key for key, _ in pairs]
    for key in keys:
        if keys.count(key) > 1:
            raise ValueError(f"key '{key}' occurs twice")
    return dict(pairs)


def parse(text):
    return json.loads(text, parse_constant=no_constant, object_pairs_hook=unique)


def validator(name):
    with open(os.path.join(RESULTS, name), encoding="utf-8") as file:
        schema = json.load(file)
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def schema_complaints(schema, document):
    for error in schema.iter_errors(document):
        where = "/".join(str(part) for part in error.absolute_path) or "the whole"
        yield f"{where}: {error.message[:200]}"


def expected_exit(result):
    """The exit code that the cells and the interrupt account for, in the documented order."""
    codes = set()
    for cell in result["cells"]:
        if cell["reason"] == "interrupted" and cell["verdict"] == "unknown":
            codes.add(130)
        elif cell["expected"] is None or cell["verdict"] == cell["expected"]:
            codes.add(0)
        else:
            codes.add(1 if cell["verdict"] == "broken" else 2)
    if result["interrupted"]:
        codes.add(130)
    return next((code for code in (1, 130, 2, 0) if code in codes), 2)


def expectation_complaints(cell, where):
    """What was expected must follow from --expect, the claim and the conviction."""
    expect, expected = cell["settings"]["expect"], cell["expected"]
    if expect == "exact" and expected != "held":
        yield f"{where}: --expect exact, but '{expected}' was expected"
    if expect == "none" and expected is not None:
        yield f"{where}: --expect none, but '{expected}' was expected"
    if expect != "claims":
        return
    wanted = "broken" if cell["conviction"] else "held" if cell["claimed"] else None
    if wanted and expected != wanted:
        yield f"{where}: '{expected}' was expected instead of '{wanted}'"
    if not wanted and expected == "held":
        yield f"{where}: expected to hold, and nobody claims it"


def matrix_complaints(cells):
    seen = {}
    for index, cell in enumerate(cells):
        yield from expectation_complaints(cell, f"cells/{index}")
        key = (cell["scenario"], cell["strategy"], cell["column"])
        if cell["column"] and seen.setdefault(key, index) != index:
            yield f"cells/{index}: the same cell of the matrix as cells/{seen[key]}"


def check_result(text):
    result = parse(text)
    complaints = list(schema_complaints(validator("result.schema.json"), result))
    if not complaints:
        said, expected = result["exit_code"], expected_exit(result)
        if said != expected and not (expected == 130 and said == 143) and said != 3:
            complaints.append(f"exit_code: {said}, but the verdicts make it {expected}")
        complaints += matrix_complaints(result["cells"])
    return complaints


def check_history(text):
    schema = validator("history.schema.json")
    complaints = []
    time, cell, running = 0, 0, {}
    for index, line in enumerate(text.splitlines()):
        entry = parse(line)
        complaints += [f"line {index + 1}: {one}" for one in schema_complaints(schema, entry)]
        if len(complaints) >= COMPLAINTS_MAX:
            break
        if complaints:
            continue
        if entry["index"] != index:
            complaints.append(f"line {index + 1}: index {entry['index']}")
        if entry["cell"] != cell:
            time, cell, running = 0, entry["cell"], {}
        if entry["time"] < time:
            complaints.append(f"line {index + 1}: time goes back from {time} to {entry['time']}")
        time = entry["time"]
        process = entry["process"]
        if entry["type"] == "invoke" and process in running:
            complaints.append(f"line {index + 1}: process {process} is not done with its last")
        elif entry["type"] != "invoke" and running.get(process) != entry["op"]:
            complaints.append(f"line {index + 1}: process {process} returns what it did not invoke")
        if entry["type"] == "invoke":
            running[process] = entry["op"]
        elif entry["type"] != "info":
            running.pop(process, None)
    return complaints


def files(path):
    if not os.path.isdir(path):
        return [path]
    found = [os.path.join(path, "result.json")]
    history = os.path.join(path, "history.jsonl")
    return found + [history] if os.path.exists(history) else found


def main():
    paths = [file for path in sys.argv[1:] for file in files(path)]
    if not paths or any(path.startswith("-") for path in sys.argv[1:]):
        print(__doc__.strip(), file=sys.stderr)
        sys.exit(64)
    valid = True
    for path in paths:
        try:
            with open(path, encoding="utf-8") as file:
                text = file.read()
            check = check_history if path.endswith(".jsonl") else check_result
            complaints = check(text)
        except (OSError, ValueError) as error:
            fail(65, f"{path}: {error}")
        for complaint in complaints[:COMPLAINTS_MAX]:
            print(f"validate_result: {path}: {complaint}", file=sys.stderr)
        valid = valid and not complaints
        if not complaints:
            print(f"{path}: valid")
    sys.exit(0 if valid else 1)


if __name__ == "__main__":
    main()
