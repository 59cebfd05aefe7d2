"""An API server for the benches: that of PERPTAPE_TEST_CONTEXT, or etcd and kube-apiserver alone, out of tests/cluster/build's binaries.

Alone they have no controllers and no kubelets: what is written stays as it was written, and nobody but the bench and the operator asks.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from measure import ROOT, running, say

from support.cluster import cache, exports
from support.minio import free_port

READY_S = 120.0
TOKEN = "bench"  # of a server that listens on this machine's loopback alone, for as long as the bench runs
FEATURES = "APIServerIdentity=false"  # else it renews a lease every ten seconds


@contextmanager
def api_server(folder: Path) -> Iterator[Path]:
    """The kubeconfig of a server that answers. Raises RuntimeError where none can be had."""
    context = os.environ.get("PERPTAPE_TEST_CONTEXT")
    if context:
        yield _chosen(folder, context)
        return
    binaries = _binaries()
    with ExitStack() as stack:
        peer, client, secure = free_port(), free_port(), free_port()
        etcd = [
            str(binaries / "etcd"), "--data-dir", str(folder / "etcd"), "--listen-client-urls", f"http://127.0.0.1:{client}",
            "--advertise-client-urls", f"http://127.0.0.1:{client}", "--listen-peer-urls", f"http://127.0.0.1:{peer}",
            "--initial-advertise-peer-urls", f"http://127.0.0.1:{peer}", "--initial-cluster", f"default=http://127.0.0.1:{peer}",
        ]  # fmt: skip
        stack.enter_context(running(etcd, folder / "etcd.log"))
        key = folder / "accounts.key"
        subprocess.run(["openssl", "genrsa", "-out", str(key), "2048"], check=True, capture_output=True)
        (folder / "tokens").write_text(f"{TOKEN},bench,bench,system:masters\n")
        server = [
            str(binaries / "kube-apiserver"), f"--etcd-servers=http://127.0.0.1:{client}", f"--secure-port={secure}",
            "--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", f"--cert-dir={folder / 'certificates'}",
            "--service-cluster-ip-range=10.96.0.0/16", "--service-account-issuer=https://bench", f"--service-account-key-file={key}",
            f"--service-account-signing-key-file={key}", f"--token-auth-file={folder / 'tokens'}", "--authorization-mode=RBAC",
            "--disable-admission-plugins=ServiceAccount", "--endpoint-reconciler-type=none", f"--feature-gates={FEATURES}",
        ]  # fmt: skip
        stack.enter_context(running(server, folder / "kube-apiserver.log"))
        place = f"https://127.0.0.1:{secure}"
        config = folder / "kubeconfig"
        config.write_text(json.dumps(_kubeconfig(place)))
        _wait(f"{place}/readyz", folder)
        yield config


def _binaries() -> Path:
    found = cache(os.environ) / "bin"
    if not all((found / name).exists() for name in ("etcd", "kube-apiserver")):
        say("  building etcd and kube-apiserver: tests/cluster/build tools")
        told = subprocess.run([str(ROOT / "tests/cluster/build"), "tools"], check=True, capture_output=True, text=True).stdout
        found = Path(exports(told)["PATH"].partition(":")[0])
    return found


def _chosen(folder: Path, context: str) -> Path:
    kubectl = shutil.which("kubectl") or str(_binaries() / "kubectl")
    told = subprocess.run(
        [kubectl, "config", "view", "--raw", "--minify", "--flatten", f"--context={context}"], check=True, capture_output=True
    )
    config = folder / "kubeconfig"
    config.write_bytes(told.stdout)
    return config


def _kubeconfig(place: str) -> dict[str, object]:
    cluster = {"server": place, "insecure-skip-tls-verify": True}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "bench", "cluster": cluster}],
        "users": [{"name": "bench", "user": {"token": TOKEN}}],
        "contexts": [{"name": "bench", "context": {"cluster": "bench", "user": "bench"}}],
        "current-context": "bench",
    }


def _wait(url: str, folder: Path) -> None:
    import ssl

    trust = ssl.create_default_context()
    trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {TOKEN}"})
    end = time.monotonic() + READY_S
    while time.monotonic() < end:
        try:
            with urllib.request.urlopen(request, timeout=5, context=trust):
                return
        except OSError:
            time.sleep(0.5)
    last = (folder / "kube-apiserver.log").read_text()[-2000:]
    raise RuntimeError(f"kube-apiserver does not answer after {READY_S:g} s:\n{last}")
