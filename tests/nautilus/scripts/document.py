"""Runs programs of a document one after the other, each for itself, and says what each printed. JSON on standard input and output."""

import contextlib
import io
import json
import sys

answers = []
for program in json.load(sys.stdin)["programs"]:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(program, "docs/backtesting.md", "exec"), {"__name__": "__main__"})
    answers.append(printed.getvalue())
sys.stdout.write("\n" + json.dumps(answers))
