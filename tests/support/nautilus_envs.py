"""The environments in which real NautilusTrader reads our catalogs: one Python with 1.x, one with 2.x, hash-pinned.

`python tests/support/nautilus_envs.py` makes both and prints their interpreters. Standard library only: it runs before any install.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Environment:
    """A Python version and the requirements that it must have."""

    python: str
    requirements: Path


ENVIRONMENTS = {
    "nautilus1": Environment("3.12", ROOT / "requirements/nautilus1.txt"),
    "nautilus2": Environment("3.13", ROOT / "requirements/nautilus2.txt"),
}

MISSING = """\
Python {version} is missing: NautilusTrader in {requirements} needs exactly that one to read our catalogs with.
Looked for python{version} on PATH, in pyenv ({pyenv}) and among uv's ({uv}). Get it with one of
    uv python install {version}
    pyenv install {version}
    apt-get install python{version} python{version}-venv
or leave these tests out: make test WITHOUT=nautilus"""


class Unavailable(RuntimeError):
    """The environment cannot be made here; the message says what to do."""


def cache(environ: dict[str, str]) -> Path:
    """Where the project keeps what is expensive to make and can be made again."""
    own, shared = environ.get("PERPTAPE_CACHE"), environ.get("XDG_CACHE_HOME")
    return Path(own) if own else (Path(shared) if shared else Path.home() / ".cache") / "perptape"


def pyenv_versions(environ: dict[str, str]) -> Path:
    return Path(environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"


def uv_versions(environ: dict[str, str]) -> Path:
    data = Path(environ.get("XDG_DATA_HOME") or Path.home() / ".local/share")
    return Path(environ.get("UV_PYTHON_INSTALL_DIR") or data / "uv/python")


def candidates(version: str, environ: dict[str, str]) -> Iterator[Path]:
    """Where a Python of this version may be, the likeliest first."""
    name = f"python{version}"
    if f"{sys.version_info.major}.{sys.version_info.minor}" == version:
        yield Path(sys.base_prefix) / "bin" / name
    for directory in environ.get("PATH", os.defpath).split(os.pathsep):
        yield Path(directory) / name
    yield from sorted(pyenv_versions(environ).glob(f"{version}.*/bin/{name}"), reverse=True)
    yield from sorted(uv_versions(environ).glob(f"cpython-{version}.*/bin/{name}"), reverse=True)
    yield from (Path(prefix) / "bin" / name for prefix in ("/usr/local", "/usr", "/opt/homebrew"))


def works(python: Path, version: str) -> bool:
    """Whether this is that version and can make environments (a pyenv shim may exist and say no; Debian splits venv off)."""
    if not python.is_file():
        return False
    question = "import ensurepip, sys, venv; sys.stdout.write('%d.%d' % sys.version_info[:2])"
    answer = subprocess.run([python, "-c", question], capture_output=True, text=True, check=False, timeout=30)
    return answer.returncode == 0 and answer.stdout == version


def interpreter(environment: Environment, environ: dict[str, str]) -> Path:
    """The first Python of the wanted version that works."""
    for python in candidates(environment.python, environ):
        if works(python, environment.python):
            return python
    raise Unavailable(
        MISSING.format(
            version=environment.python,
            requirements=environment.requirements.relative_to(ROOT),
            pyenv=pyenv_versions(environ),
            uv=uv_versions(environ),
        )
    )


def directory(name: str, environ: dict[str, str]) -> Path:
    """Where the environment is; another set of requirements is another place."""
    digest = hashlib.sha256(ENVIRONMENTS[name].requirements.read_bytes()).hexdigest()[:12]
    return cache(environ) / f"{name}-{digest}"


def install(python: Path, requirements: Path, target: Path) -> None:
    """Makes the environment under another name and gives it its own in one step (its Python finds its home by where it is)."""
    partial = target.with_name(f"{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)  # of a run that was killed; we hold the lock
    own = str(partial / "bin/python")
    for command in (
        [str(python), "-m", "venv", str(partial)],
        [own, "-m", "pip", "install", "--quiet", "--require-hashes", "--only-binary", ":all:", "--requirement", str(requirements)],
        [own, "-c", "import nautilus_trader, pyarrow"],
    ):
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if done.returncode:
            shutil.rmtree(partial, ignore_errors=True)
            raise Unavailable(f"{requirements.relative_to(ROOT)} could not be installed:\n{done.stdout.strip()}")
    partial.rename(target)


def environment(name: str, environ: dict[str, str]) -> Path:
    """The Python of the named environment, which is made when it is not there; two calls at once make it once."""
    target = directory(name, environ)
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.with_name(f".{target.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not target.exists():
                install(interpreter(ENVIRONMENTS[name], environ), ENVIRONMENTS[name].requirements, target)
    return target / "bin/python"


def main() -> int:
    """Makes both; says which is missing and how to get it, for both at once."""
    failed = 0
    for name in ENVIRONMENTS:
        try:
            sys.stdout.write(f"{name} {environment(name, dict(os.environ))}\n")
        except Unavailable as error:
            sys.stderr.write(f"{error}\n")
            failed = 1
    return failed


if __name__ == "__main__":
    sys.exit(main())
