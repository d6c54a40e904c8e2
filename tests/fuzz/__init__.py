"""Coverage-guided fuzzing of what parses untrusted bytes: `make fuzz`.

A target is a module in `tests/fuzz/targets` with one function, `check(data: bytes) -> None`, that raises for
a violation, and a folder of the same name in `tests/fuzz/corpus` with small inputs to start from. There is no
other registration. `pytest tests/fuzz` runs each target over its corpus, without atheris.
"""
