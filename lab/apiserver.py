"""`python -m lab.apiserver COMMAND…`: a real Kubernetes API server on loopback while a command runs.

`KUBE_APISERVER` and `ETCD` name the binaries. The command finds the server by `LAB_KUBECONFIG`, as its administrator;
RBAC is on. There is no kubelet, no scheduler and no controller behind it: what those do, whoever asks must do. Nothing
is kept: both processes and their folder end with the command.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from lab import kubeconfig, rbac
from lab.tls import Authority

BINARIES: Final = ("KUBE_APISERVER", "ETCD")
LACKS: Final = 3
"""The exit code where a binary is not there: nothing was run."""

_READY_SECONDS: Final = 120.0
_STOP_SECONDS: Final = 20.0


def lacking(environ: Mapping[str, str]) -> str:
    """What has to be given before a server can be started; empty where nothing has."""
    missing = [name for name in BINARIES if not shutil.which(environ.get(name, ""))]
    return " and ".join(f"{name} names no program ({environ.get(name) or 'it is not set'})" for name in missing)


@contextlib.contextmanager
def running(environ: Mapping[str, str]) -> Iterator[Path]:
    """The kubeconfig of a server that is ready; RuntimeError with the end of its log where it does not become so."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="apiserver-")))
        client_port, peer_port, secure_port = _ports(3)
        store = f"http://127.0.0.1:{client_port}"
        peers = f"http://127.0.0.1:{peer_port}"
        etcd = [
            environ["ETCD"],
            *(f"--data-dir={folder / 'etcd'}", f"--listen-client-urls={store}", f"--advertise-client-urls={store}"),
            *(f"--listen-peer-urls={peers}", f"--initial-advertise-peer-urls={peers}"),
            *(f"--initial-cluster=default={peers}", "--unsafe-no-fsync"),
        ]
        _process(stack, etcd, folder / "etcd.log")
        authority = Authority(folder)
        token = secrets.token_urlsafe(32)
        server = [environ["KUBE_APISERVER"], *_flags(folder, authority, token, store, secure_port)]
        process = _process(stack, server, folder / "apiserver.log")
        config = _kubeconfig(folder, f"https://127.0.0.1:{secure_port}", authority, token)
        _wait(process, f"https://127.0.0.1:{secure_port}/readyz", authority, token, folder / "apiserver.log")
        yield config


def _flags(folder: Path, authority: Authority, token: str, store: str, port: int) -> list[str]:
    """Flags that Kubernetes has had from 1.20 on.

    The lab's own tokens are known too, so that a client can also ask it without anything between. The admission of
    service accounts would wait for a controller that makes their tokens, and there is none.
    """
    chain = authority.chain([])
    tokens = folder / "tokens.csv"
    tokens.touch(mode=0o600)
    lines = [f'{token},admin,admin,"system:masters"']
    known = {
        rbac.INVESTIGATOR_TOKEN: rbac.INVESTIGATOR,
        rbac.COLLECTOR_TOKEN: rbac.COLLECTOR,
        rbac.REMEDIATOR_TOKEN: rbac.REMEDIATOR,
    }
    lines += [f"{word},{email},{email}" for word, email in known.items()]
    tokens.write_text("\n".join(lines) + "\n", encoding="ascii")
    return [
        f"--etcd-servers={store}",
        "--bind-address=127.0.0.1",
        f"--secure-port={port}",
        f"--tls-cert-file={chain}",
        f"--tls-private-key-file={chain}",
        f"--service-account-key-file={chain}",
        f"--service-account-signing-key-file={chain}",
        "--service-account-issuer=https://kubernetes.default.svc",
        "--service-cluster-ip-range=10.96.0.0/24",
        "--authorization-mode=RBAC",
        f"--token-auth-file={tokens}",
        "--disable-admission-plugins=ServiceAccount",
    ]


def _kubeconfig(folder: Path, url: str, authority: Authority, token: str) -> Path:
    config = folder / "kubeconfig"
    config.touch(mode=0o600)
    named = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "lab",
        "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": "admin"}}],
        "clusters": [{"name": "lab", "cluster": {"server": url, "certificate-authority": str(authority.file)}}],
        "users": [{"name": "admin", "user": {"token": token}}],
    }
    config.write_text(json.dumps(named), encoding="utf-8")
    return config


def _ports(count: int) -> list[int]:
    """Free ports of loopback: let go before they are taken, as both programs need to know theirs from the outside."""
    with contextlib.ExitStack() as stack:
        held = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in held:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in held]


def _process(stack: contextlib.ExitStack, argv: list[str], log: Path) -> subprocess.Popen[bytes]:
    out = stack.enter_context(log.open("wb"))
    process = subprocess.Popen(argv, stdout=out, stderr=out, stdin=subprocess.DEVNULL)

    def stop() -> None:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    stack.callback(stop)
    return process


def _wait(process: subprocess.Popen[bytes], url: str, authority: Authority, token: str, log: Path) -> None:
    until = time.monotonic() + _READY_SECONDS
    context = ssl.create_default_context(cadata=authority.pem)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    asked = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
    while process.poll() is None and time.monotonic() < until:
        try:
            with opener.open(asked, timeout=5) as answer:
                if answer.read().strip() == b"ok":
                    return
        except OSError:  # not there yet, or not ready: URLError and HTTPError are of this kind
            pass
        time.sleep(0.2)
    end = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-5:])
    message = f"the API server did not become ready:\n{end}"
    raise RuntimeError(message)


def main(argv: list[str]) -> int:
    """Run the command against a server: the one that LAB_KUBECONFIG names, else one that is started for it."""
    if not argv:
        print("usage: python -m lab.apiserver COMMAND…", file=sys.stderr)
        return 2
    if os.environ.get(kubeconfig.VARIABLE):
        return subprocess.run(argv, check=False).returncode
    lack = lacking(os.environ)
    if lack:
        print(f"no real API server: {lack}, and {kubeconfig.VARIABLE} names none", file=sys.stderr)
        return LACKS
    started = time.monotonic()
    # Both servers end with us, and a SIGTERM would end us alone.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    with running(os.environ) as config:
        print(f"kube-apiserver is ready after {time.monotonic() - started:.1f} s", file=sys.stderr, flush=True)
        environ = {**os.environ, kubeconfig.VARIABLE: str(config)}
        return subprocess.run(argv, check=False, env=environ).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
