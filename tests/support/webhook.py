"""An admission webhook by which the API server itself answers the operator what a test says: a pod, a certificate, a configuration."""

from __future__ import annotations

import base64
import datetime
import time
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from support import workloads
from support.kube import CommandFailed
from support.namespace import Namespace

PORT = 8443
DAY = datetime.timedelta(days=1)
PROGRAM = """
import http.server, json, ssl, sys

left = [int(code) for code in sys.argv[1:]]

class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        request = review["request"]
        answer = {"uid": request["uid"], "allowed": not left}
        if request.get("dryRun"):
            answer |= {"allowed": False, "status": {"code": 400, "message": "it is asked"}}
        elif left:
            code = left.pop(0)
            answer["status"] = {"code": code, "message": "as the test says"}
            print(code, request["operation"], request["kind"]["kind"], request["name"], flush=True)
        body = json.dumps({"apiVersion": review["apiVersion"], "kind": review["kind"], "response": answer}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

server = http.server.ThreadingHTTPServer(("", 8443), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("/tls/tls.crt", "/tls/tls.key")
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
"""


def refuse(namespace: Namespace, account: str, *codes: int) -> str:
    """The next writes of an account in this namespace are answered with these codes, one each; those after them go through. Gives the
    name of the configuration, which is the cluster's and has to be deleted."""
    host, name = f"refuser.{namespace.name}.svc", f"refuser-{namespace.name}"
    certificate, key = self_signed(host)
    secret = {"tls.crt": _text(certificate), "tls.key": _text(key)}
    volumes, mounts = [{"name": "tls", "secret": {"secretName": "refuser"}}], [{"name": "tls", "mountPath": "/tls"}]
    arguments = ["-c", PROGRAM, *(str(code) for code in codes)]
    pod = workloads.restricted(
        namespace.images.worker,
        arguments,
        command=["python"],
        volumes=volumes,
        mounts=mounts,
        readinessProbe={"tcpSocket": {"port": PORT}, "periodSeconds": 1, "failureThreshold": 60},
    )
    namespace.apply(
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "refuser"}, "data": secret}, *workloads.served("refuser", pod, [PORT])
    )
    namespace.available("refuser")
    namespace.apply(configuration(name, namespace.name, account, _text(certificate)))
    asked(namespace, account)
    return name


def asked(namespace: Namespace, account: str) -> None:
    """Comes back when the API server asks the webhook: it learns of a configuration, and finds the pod, some time after both are there."""
    end = time.monotonic() + 60
    while True:
        try:
            namespace.kubectl("create", "configmap", "probe", "--dry-run=server", f"--as={account}")
        except CommandFailed as refused:
            if "it is asked" in str(refused):
                return
        assert time.monotonic() < end, "the API server does not ask the webhook"
        time.sleep(0.2)


def configuration(name: str, namespace: str, account: str, authority: str) -> dict[str, Any]:
    """What sends an account's writes in a namespace to the webhook. Pure."""
    rule = {
        "apiGroups": ["*"],
        "apiVersions": ["*"],
        "resources": ["*/*"],
        "operations": ["CREATE", "UPDATE", "DELETE"],
        "scope": "Namespaced",
    }
    service = {"namespace": namespace, "name": "refuser", "port": PORT, "path": "/"}
    webhook = {
        "name": "refuser.perptape.io",
        "rules": [rule],
        "clientConfig": {"caBundle": authority, "service": service},
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
        "matchConditions": [{"name": "account", "expression": f"request.userInfo.username == '{account}'"}],
        "failurePolicy": "Ignore",
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "timeoutSeconds": 5,
    }
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": name},
        "webhooks": [webhook],
    }


def self_signed(host: str) -> tuple[bytes, bytes]:
    """(certificate, key) for a host, in PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "perptape-test")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - DAY)
        .not_valid_after(now + DAY)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return certificate.public_bytes(serialization.Encoding.PEM), private


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
