"""Commands that are forked (`support.forked`) are processes like those that an interpreter of its own begins: the same for both."""

import os
import signal
import subprocess
import time

import pytest

from support.simulator import Simulator

pytestmark = pytest.mark.slow


@pytest.fixture(params=[False, True], ids=["forked", "anew"])
def start(request, endpoints, tmp_path):
    simulated = Simulator(endpoints, tmp_path, None)

    def started(*words, **more):
        return simulated.start(*words, anew=request.param, **more)

    return started


@pytest.mark.slow
def test_what_it_says_and_how_it_ends_are_its_own(start):
    for words, code in ((("venues",), 0), (("statsu",), 2), (("status", "--catalog", "nothing"), 2)):
        process = start(*words)
        out, err = process.communicate(timeout=30)
        assert process.returncode == process.wait() == process.poll() == code
        assert ("okx" in out, err.startswith("error: ")) == (code == 0, code != 0)


def test_it_has_its_own_environment_and_folder(start, tmp_path):
    (tmp_path / "here").touch()
    process = start("doctor", PERPTAPE_CATALOG="./here/tape", PERPTAPE_LOG_LEVEL="loud")
    assert "PERPTAPE_LOG_LEVEL" in process.communicate(timeout=30)[1]
    process = start("verify", PERPTAPE_CATALOG="./here/tape")
    assert str(tmp_path / "here/tape") in process.communicate(timeout=30)[1]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_it_is_signalled_by_its_number(start, tmp_path, number):
    process = start("simulate", "--port", "0", "--ready-file", "ready.json")
    end = time.monotonic() + 30
    while not (tmp_path / "ready.json").exists():
        assert time.monotonic() < end
        time.sleep(0.02)
    assert process.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.01)
    os.kill(process.pid, number)
    assert process.wait(10) == (-number if number == signal.SIGKILL else 0)
    process.kill()
    process.communicate()
