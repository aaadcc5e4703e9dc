"""What is a secret is gone, and what an analyst needs is still there."""

from __future__ import annotations

import base64
import json
import random
import string
import sys
import threading
import time
from dataclasses import asdict
from subprocess import run

import pytest

from responder.compose import redacted
from responder.errors import StoreError, Unanswered
from responder.evidence import Found, Namespace, Node, Project
from responder.finding import Conflict, PodRef, Process
from responder.redact import Redactor, scrub
from tests.builders import a_finding
from tests.sheets import a_chain, a_cluster, a_pod, everything, found

ALNUM = string.ascii_letters + string.digits
NAMES = (
    *("DB_PASSWORD", "MYSQL_ROOT_PASSWORD", "PGPASSWORD", "API_TOKEN", "GITHUB_TOKEN", "AWS_SECRET_ACCESS_KEY"),
    *("SECRET_KEY", "client_secret", "api-key", "REDIS_PASS", "apiKey", "db.passwd", "passphrase", "private_key"),
)


class Canaries:
    """Secrets of every kind, made from a seed, each with the texts that it stands in."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)  # noqa: S311 - canaries, not keys

    def word(self, length: int, alphabet: str = ALNUM) -> str:
        return "".join(self.random.choice(alphabet) for _ in range(length))

    def spelt(self, kind: int) -> str:
        """A token that has a shape of its own."""
        body = self.word
        payload = base64.urlsafe_b64encode(json.dumps({"sub": body(12)}).encode()).decode().rstrip("=")
        return (
            lambda: "AKIA" + body(16, string.ascii_uppercase + string.digits),
            lambda: "AIza" + body(35),
            lambda: "ya29." + body(60),
            lambda: "ghp_" + body(36),
            lambda: "github_pat_" + body(22) + "_" + body(59),
            lambda: "xoxb-" + body(12, string.digits) + "-" + body(12, string.digits) + "-" + body(24),
            lambda: f"eyJhbGciOiJIUzI1NiJ9.{payload}.{body(43)}",
            lambda: "glpat-" + body(20),
            lambda: "sk_live_" + body(24),
            lambda: "SG." + body(22) + "." + body(43),
            lambda: "npm_" + body(36),
            lambda: "hvs." + body(90),
            lambda: "hf_" + body(34),
        )[kind % 13]()

    def secret(self) -> str:
        """A password of letters, digits and signs, as short as people have them."""
        return self.random.choice(ALNUM) + self.word(self.random.randint(7, 30), ALNUM + "!#%^*+-_=.:@/") + "9"


def _texts(canary: Canaries, n: int) -> tuple[str, str]:
    """A secret and a line that holds it."""
    name, secret, spelt = canary.random.choice(NAMES), canary.secret(), canary.spelt(n)
    plain = canary.word(20) + "7"
    pem = "\n".join(canary.word(64) for _ in range(5))
    return (
        (secret, f"env {name}={secret} gcc -O2 a.c"),
        (secret, f'{{"level":"info","{name}":"{secret}","at":3}}'),
        (secret, f"{name}: {secret}"),
        (secret, f"connecting with --password {secret} to db"),
        (secret, f'retry: {name} = "{secret}" refused'),
        (plain, f"curl -H 'Authorization: Bearer {plain}' https://api.test/v1"),
        (plain, f"GET /login?user=a&access_token={plain}&x=1 200"),
        (plain, f"postgresql://app:{plain}@10.0.0.3:5432/shop"),
        (plain, f"curl -s -u admin:{plain} https://api.test"),
        (plain, f"mysql -h db -uroot -p{plain} shop"),
        (plain, f"sshpass -p {plain} ssh root@10.0.0.3"),
        (pem.splitlines()[2], f"-----BEGIN RSA PRIVATE KEY-----\n{pem}\n-----END RSA PRIVATE KEY-----"),
        (spelt, f"using {spelt} for the deploy"),
        (spelt, f"https://{spelt}@git.test/acme/shop.git"),
        (spelt, f"['deploy', '{spelt}']"),
        (plain, f"Set-Cookie: session={plain}; Path=/"),
        (plain, f'\\"password\\":\\"{plain}\\"'),
    )[n % 17]


def test_none_of_500_secrets_is_left_in_a_line() -> None:
    canaries, left = Canaries(seed=1), []
    for n in range(500):
        secret, text = _texts(canaries, n)
        shown = Redactor().text(text)
        if secret in shown or "[redacted:" not in shown:
            left.append((text, shown))
    assert left == []


def test_none_of_500_secrets_is_left_in_arguments() -> None:
    canaries, left = Canaries(seed=2), []
    for n in range(500):
        name, secret, spelt = canaries.random.choice(NAMES), canaries.secret(), canaries.spelt(n)
        option = "--" + name.lower().replace("_", "-")
        args = (
            ["env", f"{name}={secret}", "gcc", "a.c"],
            ["gcc", f'-D{name}="{secret}"', "a.c"],
            ["deploy", option, secret, "now"],
            ["deploy", f"{option}={secret} with, all; of & it"],
            ["sh", "-c", f"{name}={secret} gcc a.c -o a"],
            ["curl", "-H", f"Authorization: Bearer {spelt}", "https://api.test"],
            ["curl", "-u", f"admin:{secret}", "https://api.test"],
            ["docker", "login", "-p", secret, "-u", "ci"],
            ["/usr/bin/mysql", f"-p{secret}", "shop"],
            ["echo", spelt],
        )[n % 10]
        shown = Redactor().args(args)
        if any(word and word in " ".join(shown) for word in ((spelt,) if spelt in " ".join(args) else (secret,))):
            left.append((args, shown))
        assert len(shown) == len(args)
    assert left == []


@pytest.mark.parametrize(
    "line",
    [
        "gcc -static -O2 -Wall -fPIC -DVERSION=1.9.2 -DKEYSIZE=256 -DUSE_SECRET=1 -o /tmp/.x/kworker /tmp/.x/k.c",
        "cc1 -imultiarch x86_64-linux-gnu k.c -quiet -dumpbase k.c -mtune=generic -march=x86-64 -o /tmp/ccA1b2C3.s",
        "as --64 -o /tmp/ccXyZ123.o /tmp/ccA1b2C3.s",
        "clang -fpass-plugin=/usr/lib/x.so -Wpass-failed=none -Wl,-z,relro -p -pg a.c",
        "go build -trimpath -ldflags=-X=main.version=1.2.3 -o /tmp/app ./cmd/app",
        "mkdir -p /tmp/.x && cp -p a b && ssh -p 22 host && docker run -p 8080:80 nginx",
        "pulled europe-docker.pkg.dev/acme/web@sha256:6216f64ab88fc51d311e38c7f69ca3f9aaba621492b4f1fa93ddf63093768845",
        "6216f64ab88fc51d311e38c7f69ca3f9aaba621492b4f1fa93ddf63093768845",
        "span 8f14e45f-ceea-467a-9c3b-1d2e3f4a5b6c 00f067aa0ba902b7 commit 789e576a1b2c3d4e5f60718293a4b5c6d7e8f901",
        "a.c:12:5: error: expected primary-expression before ')' token",
        "syntax error near unexpected token `('",
        "usage: prompt_tokens=512 max_tokens=1024 total_tokens: 1536",
        "PASS: test_login (0.02s) pass=12 fail=0 skipped=1",
        "PWD=/home/app OLDPWD=/ HOME=/root PATH=/usr/bin:/bin",
        "Bearer authentication failed for user alice; password: incorrect; token: expired",
        "secretName=checkout-db token_type=Bearer tokenizer=b --password-file=/run/pw --token-ttl=5m passwordPolicy=x",
        "https://console.cloud.google.com/kubernetes/list?project=acme-shop-prod",
        "kubectl get secret checkout-db -o yaml; keyboard=us key=value monkey=1",
        "DB_PASSWORD=$DB_PASSWORD TOKEN=${TOKEN} password=<none> password: ****",
        "mounting /var/run/secrets/kubernetes.io/serviceaccount/token tokenPath=/var/run/secrets/token",
        "scale 10.0.0.1:8080 ratio=4:3 image: nginx:1.27@sha256:abc ssh://git@github.com/acme/shop.git",
        "task-0123456789abcdef0123456789 disk-ABCDEFGHIJKL-0123456789 asia-east1-b",
        "Authorization: denied for system:serviceaccount:shop:default",
    ],
)
def test_what_an_analyst_reads_stays_as_it_is(line: str) -> None:
    redactor = Redactor()
    assert redactor.text(line) == line
    assert redactor.args(line.split(" ")) == tuple(line.split(" "))
    assert redactor.counts == {}


def test_what_is_taken_out_says_its_class_and_leaves_the_rest() -> None:
    assert Redactor().text("env DB_PASSWORD=x gcc a.c") == "env DB_PASSWORD=[redacted:named] gcc a.c"
    assert Redactor().args(("sh", "-c", "DB_PASSWORD=x gcc a.c")) == (
        "sh",
        "-c",
        "DB_PASSWORD=[redacted:named] gcc a.c",
    )
    assert Redactor().text('{"password":"a\\\\\\"b c","x":1}') == '{"password":"[redacted:named]","x":1}'
    assert Redactor().text("redis://:hunter2@cache:6379/0") == "redis://:[redacted:url-password]@cache:6379/0"
    assert Redactor().args(("a", "--token", "x")) == ("a", "--token", "[redacted:option]")


def test_a_secret_is_counted_once_however_often_it_stands_there() -> None:
    redactor = Redactor()
    redactor.text("password=hunter2")
    redactor.args(("db", "password=hunter2", "password=other3"))
    redactor.text("token ghp_" + "a1" * 18)
    assert redactor.counts == {"github-token": 1, "named": 2}


def test_a_finding_loses_its_secrets_and_keeps_its_names() -> None:
    secret = "hunter2-canary"
    finding = a_finding(
        args=("env", f"DB_PASSWORD={secret}", "gcc", "-p", "a.c"),
        description=f"ran with password={secret}",
        marks={"note": f"token={secret}7", "db_password": secret},
        conflicts=(Conflict(field="arguments", values={"a": f"--password={secret}", "b": "gcc"}),),
        problems=(f"api_key: {secret}",),
        pods=(PodRef(namespace="shop", name="token-server-0", labels={"app": "token-server"}),),
    )
    shown = Redactor().finding(finding)
    assert secret not in repr(asdict(shown))
    assert shown.pods == finding.pods
    assert (shown.key, shown.cluster, shown.told["Container_Image_Uri"]) == (
        finding.key,
        finding.cluster,
        finding.told["Container_Image_Uri"],
    )
    assert shown.processes[0].args[2:] == ("gcc", "-p", "a.c")


def test_a_private_key_is_gone_when_a_shell_split_it_and_when_its_end_is_cut_off() -> None:
    body = Canaries(seed=3).word(64)
    short = body[:40]  # the last line of a key has no length of its own
    args = ("echo", *f"-----BEGIN RSA PRIVATE KEY----- {body} {short} -----END RSA PRIVATE KEY-----".split(" "))
    assert short not in " ".join(Redactor().args(args))
    assert body not in Redactor().text(f"-----BEGIN OPENSSH PRIVATE KEY-----\n{body}")
    assert Redactor().text(body + "\n") == "[redacted:key-line]"


@pytest.mark.parametrize("depth", [0, 1, 2])
def test_environment_values_in_a_manifest_are_gone_whatever_their_name(depth: int) -> None:
    env = [{"name": "GREETING", "value": 'he said "canary-1"'}, {"name": "PATH", "value": "/canary-2"}]
    text = json.dumps({"spec": {"env": env, "image": "nginx:1.27"}})
    for _ in range(depth):
        text = json.dumps(text)
    shown = Redactor().text(text)
    assert "canary" not in shown
    assert "GREETING" in shown
    assert "nginx:1.27" in shown
    for _ in range(depth):
        shown = json.loads(shown)
    assert [e["value"] for e in json.loads(shown)["spec"]["env"]] == ["[redacted:env]"] * 2


def test_a_secret_that_the_cut_would_halve_is_dropped_whole() -> None:
    token = "ghp_" + "a1" * 18
    for before in range(16_384 - 60, 16_384):
        shown = Redactor().text("x " * (before // 2) + token + " tail" * 100)
        assert "ghp_" not in shown


def test_lone_surrogates_and_controls_do_not_stop_the_search() -> None:
    shown = Redactor().text("\ud800\x1b[31mpassword=hunter2\x1b[0m \u202e")
    assert "hunter2" not in shown
    shown.encode()


def test_a_megabyte_costs_no_more_than_what_is_looked_at_and_hostile_text_is_no_trap() -> None:
    traps = (
        "eyJ",
        "eyJ.a",
        "-passa",
        "password=",
        'token="',
        "://a:",
        "awskey",
        "curl -u ",
        "--a",
        "jfrog AP",
        "'token",
    )
    for trap in traps:
        start = time.perf_counter()
        Redactor().text(trap * (1_000_000 // len(trap)))
        Redactor().args([trap * 3000])
        assert time.perf_counter() - start < 1.0, trap  # measured: 0.04 s


def test_an_ordinary_line_does_not_reach_the_detectors() -> None:
    code = (
        "import sys; from responder.redact import Redactor\n"
        "Redactor().text('GET /api/v1/orders/8f14e45f 200 12ms bytes=5321')\n"
        "print(any(name.startswith('detect_secrets') for name in sys.modules))"
    )
    assert run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "False"


def test_one_redactor_serves_many_threads() -> None:
    redactor = Redactor()
    threads = [
        threading.Thread(target=lambda n=n: [redactor.text(f"password=hunter{n}x{i}") for i in range(50)])
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert redactor.counts == {"named": 400}


def test_an_exception_says_its_type_and_our_words_alone() -> None:
    canaries = Canaries(seed=4)
    for n in range(500):
        secret, text = _texts(canaries, n)
        error = StoreError("the store failed")
        error.__cause__ = ValueError(text)
        assert secret not in scrub(error)
        assert scrub(error) == "StoreError: the store failed (from ValueError)"
        assert scrub(RuntimeError(text)) == "RuntimeError"
    assert scrub(Unanswered("denied", "pods.get")) == "Unanswered: denied: pods.get"


def test_processes_keep_their_other_fields() -> None:
    process = Process(name="gcc", binary="/usr/bin/gcc", args=("gcc", "a.c"), pid=53, script="curl -u a:hunter2 x")
    shown = Redactor().finding(a_finding(processes=(process,))).processes[0]
    assert (shown.pid, shown.binary, shown.args) == (53, "/usr/bin/gcc", ("gcc", "a.c"))
    assert shown.script == "curl -u a:[redacted:option] x"


def test_a_value_is_taken_out_of_every_map_whose_key_calls_it_a_secret() -> None:
    secret, team = "Canary7Zq8Lw3Rt", {"team": "checkout"}
    words = {"db-password": secret, "vault.example.com/api-token": secret, **team}
    plain = everything()
    answers = {
        "scc": plain.scc.value.model_copy(update={"marks": words}) if isinstance(plain.scc, Found) else None,
        "cluster": a_cluster(labels=words),
        "node": Node(name="n", known_by="cluster", labels=words),
        "pod": a_pod(labels=words, annotations=words),
        "namespace": Namespace(name="shop", labels=words, annotations=words),
        "project": Project(project_id="acme-shop-prod", number="1", display_name="", state="ACTIVE", labels=words),
        "owners": a_chain(links=tuple(link.model_copy(update={"labels": words}) for link in a_chain().links)),
    }
    told = {"program_binary": found(f"/tmp/password={secret}"), "Pod_Name": found("web-1")}
    shown = redacted(everything(told=told, **{name: found(value) for name, value in answers.items()}), Redactor())
    text = shown.model_dump_json()
    assert secret not in text
    assert text.count('"team":"checkout"') == len(answers) + 3
    assert shown.told["Pod_Name"] == told["Pod_Name"]


def test_an_option_at_the_very_start_of_a_line_is_one() -> None:
    assert Redactor().text("--client-secret hunter2x run") == "--client-secret [redacted:option] run"


@pytest.mark.parametrize(
    "token",
    [
        "AC" + "0a1b2c3d4e5f6a7b" * 2,
        "SK" + "0a1b2c3d4e5f6a7b" * 2,
        "0a1b2c3d4e5f6a7b" * 2 + "-us12",
        "MTk4NjIyNDgzNDcxOTI1MjQ4" + ".Cl2FMQ." + "ZnCjm1XVW7vRze4b7Cq4se7kKWs",
        "AKIAQYLPMN5HHHFPZAM2",
        "SG." + "ngeVfQFYQlKU0ufo8x5d1A" + "." + "TwL2iGABf9DHoTf-09kqeF8tAmbihYzrnopKc-1s5cr",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
        "npm_" + "a1B2c3D4e5" * 3 + "f6G7h8",
    ],
)
def test_a_token_that_only_its_shape_tells_is_gone_from_a_plain_line(token: str) -> None:
    redactor = Redactor()
    assert token not in redactor.text(f"09:41:07 INFO sent {token} to 10.0.0.7")
    assert sum(redactor.counts.values()) == 1
