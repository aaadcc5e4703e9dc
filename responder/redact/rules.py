"""What a secret looks like, and what only looks like one. Pure; `redact` applies it.

Every pattern takes time linear in its text: a repetition is bounded, or cannot give back what it took.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

_STRONG: Final = (
    r"pass(?:word|wd|phrase|code|wort)|contrasen[iy]?a|contraseña|(?<![a-z])pass(?![a-z])|(?<=db|my|pg)pass(?![a-z])|"
    r"(?<![a-z])pwd(?![a-z])|(?<=db|my|pg)pwd(?![a-z])|(?<=[_-])pw(?![a-z])"
)
_WEAK: Final = (
    r"secret|token|credential|cookie|(?<![a-z])auth(?![a-z])|api[_.-]?key|(?:access|auth|private|priv|signing|"
    r"encryption|account|service|client|session|storage|shared|master|encrypt|license)[_.-]?key"
)
_IS_STRONG = re.compile(_STRONG)
_IS_NAMED = re.compile(f"{_STRONG}|{_WEAK}")
_NOT_A_SECRET = re.compile(
    # What speaks about a secret without being one: `secretName`, `token_type`, `--password-file`, `max_tokens`.
    r"(?:file|path|dir|name|type|url|uri|endpoint|ref|len|length|size|counts?|expir\w*|ttl|policy|mode|provider|format|"
    r"version|hint|prompt|field|label|kind|class|enabled?|required|rotation|age|stdin|manager|namespace|issuer|audience|"
    r"scheme|alg|algorithm|limit|budget|store|cache|bucket|plugin|driver|resource|reviews?|requests?|tokens|"
    r"(?:token|key)[_.-]?id|izer|ized|secrets-dir)$"
    r"|^-{0,2}(?:no|max|min|num|total|prompt|completion|input|output)[_.-]"
)
_NO_VALUE = re.compile(
    r"(?i)(?:true|false|yes|no|none|null|nil|undefined|empty|unset|0|1|on|off|-|\?|\.{3}|\*+|x{3,}|%\w|<.*|\{\{.*|"
    r"\$\{?[A-Za-z_]\w*\}?|\$[({]?|\[redacted:.*)",
    re.DOTALL,
)
_PROSE = re.compile(
    r"(?i)(?:in)?(?:valid|correct)|expired|missing|required|wrong|changed|ok|okay|failed|failure|accepted|rejected|denied|"
    r"is|was|must|not|error|for|the|a|an|has|cannot|could|should|authentication|authenticated|reset|updated|set|success"
    r"|expected|unexpected|default|optional|given|provided|found|unknown"
)
_A_PATH = re.compile(r"~?(?:/[\w.@-]{1,64}){2,}/?|\.{1,2}/[\w./-]{1,200}|[A-Z]:\\.*")


def is_secret_name(name: str) -> bool:
    """Whether a variable, a key or an option of that name holds a secret."""
    name = name.lower()
    return _IS_NAMED.search(name) is not None and _NOT_A_SECRET.search(name) is None


def is_secret_value(name: str, value: str, joint: str) -> bool:
    """Whether `value`, which `joint` ties to `name` (`=`, `: `, a space after an option), is a secret by that name."""
    if not value or not is_secret_name(name) or _NO_VALUE.fullmatch(value) is not None:
        return False
    name = name.lower()
    strong = _IS_STRONG.search(name) is not None
    word = "word" in name or "phrase" in name
    if _A_PATH.fullmatch(value) is not None and ("pwd" in name or not strong):
        return False
    if joint == " ":
        return not value.startswith("--") and not (name.endswith("secret") and value.startswith(("id=", "type=")))
    if joint.strip() == joint:
        # `NAME=VALUE`, `name:value`: meant for a machine. Counts (`pass:5`, `token=12`) are not secrets.
        return word or not value.isdecimal() or len(value) > 3  # noqa: PLR2004 - a PIN has four
    # `name: value`, `name = value`: YAML, a log line, or a sentence about tokens.
    said = _PROSE.fullmatch(value.rstrip(".,:;!")) is not None or "(" in value
    return not said and (word or _is_mixed(value))


def _is_mixed(value: str) -> bool:
    return len(value) >= 6 and any(map(str.isdigit, value)) and not value.isdecimal()  # noqa: PLR2004 - shorter is a word


def is_token(value: str) -> bool:
    """Whether a word after `Bearer` is a token, and not the next word of a sentence."""
    return len(value) >= 24 or any(map(str.isdigit, value)) or value.endswith("=")  # noqa: PLR2004 - no word is that long


HEAD = re.compile(r"(?<![\w.-])(?P<name>[\w.-]++)\\{0,3}[\"'\]]{0,2}(?P<joint>\s{0,3}(?:=>|:=|==?|:(?!//))\s{0,3})")
"""A name and what ties a value to it; `VALUE` is matched where it ends."""

VALUE = re.compile(
    r"(?P<quote>\\{0,3}[\"'`])(?P<quoted>.{0,2048}?)(?:(?<!\\)(?P=quote)|(?=\n)|\Z)"
    # Brackets and commas belong to the value where it goes on behind them.
    r"|(?P<bare>(?:[^\s\"'`;&|<>(){}\[\],]|[(){}\[\]](?=\w)|,(?!\s|[\w.-]{1,64}+[=:]|\Z))+)"
)

NAME_AND_VALUE = re.compile(r"(?P<name>-{0,2}[\w.-]++)=(?P<value>.*)\Z", re.DOTALL)
"""A whole argument `NAME=VALUE`, `--name=VALUE`, `-DNAME=VALUE`."""

OPTION = re.compile(r"(?<![\w.-])-{1,2}(?![\d-])[\w.-]++")
"""An option; where its name is a secret's, its value is the next word."""

ENV_PAIR = re.compile(
    r"(\\{0,3}\"name\\{0,3}\":\s{0,3}\\{0,3}\"[\w.-]{1,256}+\\{0,3}\",\s{0,20}\\{0,3}\"value\\{0,3}\":\s{0,3})"
    r"(\\{0,3}\")(.{0,4096}?)((?<!\\)\2|\Z)",
    re.DOTALL,
)
"""A variable in a manifest, `{"name":"X","value":"…"}`, as the annotation `last-applied-configuration` keeps it."""

PRIVATE_KEY = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----.*?"
    r"(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----|\Z)",
    re.DOTALL,
)
KEY_LINE = re.compile(
    r"\s{0,8}(?=.{0,80}[g-zG-Z+/])(?=[^a-z]*[a-z])(?=[^A-Z]*[A-Z])(?=\D*\d)[A-Za-z0-9+/]{64}(?:[A-Za-z0-9+/]{6})?\s?"
)
"""A log line that is a line of a PEM block: 64 characters (RFC 7468), 70 in OpenSSH's own format. A digest is hex."""
KEY_LINE_LONGEST: Final = 79
"""With the spaces that `KEY_LINE` allows around it."""

HEADER = re.compile(
    r"(?i)((?:proxy-)?authorization\\?[\"']?\s{0,3}[:=]\s{0,3}\\?[\"']?)"
    r"((?:(?:bearer|basic|digest|token|negotiate|apikey)\s{1,3})?+)([^\s\"'\\,;]{1,8192}+)"
)
BEARER = re.compile(r"(?i)\b((?:bearer|basic)\s{1,3})([\w.~+/=-]{8,8192}+)")
COOKIE = re.compile(r"(?i)\b((?:set-)?cookie:\s{0,3})([^\r\n\"']{1,8192}+)")
URL_PASSWORD = re.compile(r"(://[^\s/?#@:\"']{0,256}+:)([^\s/\"']{1,512})(?=@)")
URL_TOKEN = re.compile(r"(://)(?=[\w-]{0,64}\d)([\w-]{20,512}+)(?=@)")

SPELT_SHAPES: Final = {
    "jwt": re.compile(r"(?<![\w-])eyJ[\w=-]{6,}+\.[\w=-]{4,}+(?:\.[\w=-]*+){0,3}"),
    "gcp-key": re.compile(
        r"AIza[\w-]{35}|(?<!\w)ya29\.[\w.-]{20,}+|(?<!\w)GOCSPX-[\w-]{20,}+|(?<![\w/])1//0[\w-]{30,}+"
    ),
    "github-token": re.compile(r"(?<![A-Za-z0-9])(?:gh[pousr]_[A-Za-z0-9]{30,}+|github_pat_\w{20,}+)"),
    "slack-token": re.compile(r"(?<![A-Za-z0-9])(?:xox[a-z](?:\.xox[a-z])?-[\w-]{10,}+|xapp-[\w-]{10,}+)"),
    "service-token": re.compile(
        r"(?<![\w-])(?:glpat-[\w-]{20,}+|dckr_pat_[\w-]{20,}+|pypi-AgE[\w-]{20,}+|hf_[A-Za-z0-9]{30,}+|"
        r"dop_v1_[0-9a-f]{40,}+|AKC[a-zA-Z0-9]{10,200}+|hvs\.[\w-]{20,}+|npm_[A-Za-z0-9]{30,}+|(?:sk|rk)_(?:live|test)_[0-9a-zA-Z]{16,}+|"
        r"sk-(?=[\w-]{0,64}\d)(?=[\w-]{0,64}[A-Z])[\w-]{20,}+)"
    ),
}
"""Tokens that the detectors know not at all, by a prefix only, or in a way that takes quadratic time."""


class Shape(NamedTuple):
    """A detector of bc-detect-secrets (module and class), asked where the text has one of the hints."""

    hints: tuple[str, ...]
    kind: str
    detector: str


SHAPES: Final = (
    Shape(("akia", "asia", "abia", "acca", "a3t", "aws"), "aws-key", "aws:AWSKeyDetector"),
    Shape(("hooks.slack",), "slack-token", "slack:SlackDetector"),
    Shape(("authtoken", "npm"), "npm-token", "npm:NpmDetector"),
    Shape(("sg.",), "sendgrid-key", "sendgrid:SendGridDetector"),
    Shape(("sq0csp-",), "square-secret", "square_oauth:SquareOAuthDetector"),
    Shape(("ac", "sk"), "twilio-key", "twilio:TwilioKeyDetector"),
    Shape(("-us",), "mailchimp-key", "mailchimp:MailchimpDetector"),
    Shape((".",), "discord-token", "discord:DiscordBotTokenDetector"),
    Shape(("softlayer",), "softlayer-key", "softlayer:SoftlayerDetector"),
    Shape(("cloudant",), "cloudant-key", "cloudant:CloudantDetector"),
)

WORDS = re.compile(r"((?:[^\s\"']|\"[^\"]*\"|'[^']*')+)")
"""A shell's words, roughly: for options only."""

PROGRAMS: Final[dict[str, tuple[str, ...]]] = {
    # What an option means is the program's to say: `mkdir -p`, `ssh -p 22` and `gcc -p` have no secret.
    # `+`: only glued to its value (`mysql -pX`; in `mysql -p X`, X is the database). `:` and `%` part user and secret.
    **dict.fromkeys(("mysql", "mysqldump", "mysqladmin", "mariadb", "mariadb-dump", "7z", "7za", "7zr"), ("-p+",)),
    **dict.fromkeys(("sshpass", "login", "mongo", "mongosh", "mongodump", "mongorestore"), ("-p",)),
    **dict.fromkeys(("ldapsearch", "ldapadd", "ldapmodify"), ("-w",)),
    "curl": ("-u:", "-U:", "--user:", "--proxy-user:"),
    "redis-cli": ("-a",),
    "smbclient": ("-U%",),
    **dict.fromkeys(("zip", "unzip"), ("-P",)),
}
PROGRAM = re.compile(rf"(?<![\w.-])(?:{'|'.join(sorted(map(re.escape, PROGRAMS), key=len, reverse=True))})\s")

# One a line would be a page.
# fmt: off
HINTS: Final = (
    "pass", "pwd", "secret", "token", "key", "cred", "auth", "bearer", "basic", "cookie", "contrase", "aws",
    "softlayer", "cloudant",
)
MARKED_HINTS: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    # A mark, and hints that all hold it: a log line that is without the mark is not searched for them.
    ("_", ("_pw", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat", "k_live_", "k_test_", "npm_", "hf_", "dckr_",
           "dop_v1_")),
    # The programs have options that are secrets, which no text without a dash has.
    ("-", ("-pw", "glpat-", "xox", "xapp-", "gocspx-", "sk-", "sq0csp-", "pypi-", "login", "mysql", "maria", "ldap",
           "mongo", "smbclient", "curl", "redis-cli", "zip", "7z")),
    (".", ("hooks.slack", "ya29.", "sg.", "hvs.")),
    ('"', ('"value',)),
    ("1/", ("1//0",)),
)
CAPITAL_HINTS: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    # The same for tokens that are told by capitals: of these, the text as it is.
    ("A", ("AKIA", "ASIA", "ABIA", "ACCA", "A3T", "AKC", "AIza")),
    ("J", ("eyJ",)),
)
# fmt: on
"""What stands in every text that the rules above would find something in, but for `SHAPE_HINTS`. The first two are
lower case, and are looked for in the text in lower case."""

SHAPE_HINTS: Final = (
    # What must be there, and the whole shape. The first begin with a literal: quickly told.
    (re.compile(r"\.[a-zA-Z\d_-]{6}\."), re.compile(r"[MNO][a-zA-Z\d_-]{23,25}\.[a-zA-Z\d_-]{6}\.")),
    (re.compile("AC"), re.compile(r"AC[a-z0-9]{32}")),
    (re.compile("SK"), re.compile(r"SK[a-z0-9]{32}")),
    (re.compile("-us"), re.compile(r"[0-9a-f]{32}-us\d")),
)
