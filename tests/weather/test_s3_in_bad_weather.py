"""An S3 store that lets nobody in, is not there or does not answer: exit 3, what to do on one line, and the next run completes."""

import json

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.s3]


@pytest.mark.parametrize(
    ("bucket", "wrong", "said"),
    [
        (
            "",
            {"AWS_SECRET_ACCESS_KEY": "not-the-secret"},
            "does not accept the credentials (SignatureDoesNotMatch): correct AWS_ACCESS_KEY_ID",
        ),
        ("", {"AWS_ACCESS_KEY_ID": "nobody"}, "does not accept the credentials (InvalidAccessKeyId): correct AWS_ACCESS_KEY_ID"),
        ("no-such-bucket", {}, "there is no bucket 'no-such-bucket' on http://"),
        ("", {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, "does not answer"),
    ],
)
def test_a_store_that_does_not_let_us_in_is_3_with_what_to_do(simulated, minio, bucket, wrong, said):
    place = f"s3://{bucket or minio.bucket()}/tape"
    environ = minio.environ()
    run = ("run", simulated.spec("binance"), "--once", "--catalog", place)
    refused = simulated.run(*run, **{**environ, **wrong})
    assert refused.returncode == 3, refused.stdout + refused.stderr
    (line,) = [line for line in refused.stderr.splitlines() if "the store cannot be used" in line]
    assert said in line
    assert "Traceback" not in refused.stderr
    assert environ["AWS_SECRET_ACCESS_KEY"] not in refused.stderr + refused.stdout

    asked = ("fetch-oi", "BTCUSDT-PERP", "-e", "binance", "--store", "--catalog", place, "-f", "json")
    printed = simulated.run(*asked, **{**environ, **wrong})
    assert printed.returncode == 1, printed.stderr
    assert len(json.loads(printed.stdout)) == 1
    assert "error: binance: 1 rows were printed but not stored: " in printed.stderr

    if not bucket:
        assert simulated.run(*run, **environ).returncode == 0
        assert simulated.run("verify", "--catalog", place, **environ).returncode == 0
