r"""Presets for `logs.redact`: what secrets and personal data look like, in the subset of sidecar.config.pattern.

A rule errs on the side of taking too much. Where a value stands beside its name, the name stays, so that a reader sees
what was there; within JSON the quotes stay, so that the line is still JSON.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Rule:
    r"""A pattern, and what replaces it: text with `\1` to `\9` for what the pattern's groups captured."""

    pattern: str
    replace: str = "***"


@dataclass(frozen=True, slots=True)
class Preset:
    """Rules to apply one after another."""

    name: str
    description: str
    rules: tuple[Rule, ...]


_STOP = r"""\s"'&,;\\"""
"""Ends a value without quotes, within a class; a backslash, because the one of an escape belongs to what follows."""


def _field(name: str) -> tuple[Rule, ...]:
    r"""Rules for the value beside a name: `name=v`, `name: "v"`, `"name": "v"`, `'name': 'v'`, `\"name\":\"v\"`.

    A group can't be repeated, so the escapes within a quoted value are taken out first, four, two and one at a time
    (up to seven); then what is left up to the quote is replaced. In JSON within JSON, an escape has four backslashes
    (for one), three before a quote or two, and the closing quote has one; at least four escapes are taken out.
    """
    quoted = rf'(?i)({name}"?\s*[:=]\s*")'
    inner = rf'(?i)({name}\\?"?\s*[:=]\s*\\")'
    single = rf"(?i)({name}'?\s*[:=]\s*')"
    return (
        *(Rule(quoted + r'[^"\\]*\\[\s\S]' * count, r"\1") for count in (4, 2, 1)),
        Rule(quoted + r'[^"\\]*', r"\1***"),
        *(Rule(inner + r'[^"\\]*(?:\\{4}|\\{2}\\?[^\\])', r"\1") for _ in range(4)),
        Rule(inner + r'[^"\\]*', r"\1***"),
        Rule(single + r"[^'\n]*'", r"\1***'"),
        Rule(single + rf"[^{_STOP}]+", r"\1***"),
        Rule(rf'(?i)({name}"\s*:\s*)[\w.+-]+', r'\1"***"'),
        Rule(rf'(?i)({name}\\"\s*:\s*)[\w.+-]+', r'\1\\"***\\"'),
        Rule(rf"(?i)({name}'\s*:\s*)[\w.+-]+", r"\1'***'"),
        Rule(rf"(?i)({name}\s*[:=]\s*)[^{_STOP}]+", r"\1***"),
    )


_LEAD = r"""\\?["']?\s*[:=]\s*\\?["']?"""
"""Between a name and its value, whatever the notation."""

_SECRETS = (
    Preset("aws-access-key", "AWS access key ids: `AKIA...`, `ASIA...`", (Rule(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),)),
    Preset(
        "aws-secret-key",
        "AWS secret access keys and session tokens, beside their name",
        (
            Rule(rf"(?i)(secret_?access_?key{_LEAD})[A-Za-z0-9/+=]{{40,}}", r"\1***"),
            Rule(rf"(?i)(session_?token{_LEAD})[A-Za-z0-9/+=]{{40,}}", r"\1***"),
        ),
    ),
    Preset(
        "jwt",
        "JSON web tokens, signed or encrypted; the header of a signed one, which holds no secret, stays",
        (
            Rule(r"([\w-]\.)eyJ[\w-]+\.[\w-]*", r"\1***"),
            Rule(r"(?<![\w-])eyJ[\w-]+\.[\w-]*\.[\w-]+\.[\w-]+\.[\w-]+"),
        ),
    ),
    Preset(
        "bearer-token",
        "what follows `Bearer` (20 characters or more), or any scheme in an `Authorization` header",
        (
            Rule(
                r"""(?i)(authorization["'\\]*\s*[:=]\s*["'\\\[]*(?:bearer|basic|token)\s+)[^\s"'\\,;\]]+""",
                r"\1***",
            ),
            Rule(r"(?i)(\bbearer\s+)[\w.~+/=-]{20,}", r"\1***"),
        ),
    ),
    Preset(
        "password",
        "the value beside `password`, `passwd`, `passphrase` or `pwd`, also at the end of a name as in `db_password`",
        (*_field("passwo?r?d"), *_field("passphrase"), *_field("pwd")),
    ),
    Preset(
        "private-key",
        "what stands between `-----BEGIN ... PRIVATE KEY-----` and its end, also over several lines",
        (
            Rule(
                r"(-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----)"
                r'[^"-]*Proc-Type[^"-]*DEK-Info[^"-]*-[A-Z0-9-]+,[^"-]+',
                r"\1***",
            ),
            Rule(r'(-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?:| BLOCK)-----)[^"-]+', r"\1***"),
        ),
    ),
    Preset(
        "url-credentials",
        "the password in `scheme://user:password@host`",
        (Rule(r"""((?:://|:\\/\\/)[^\s/:@"'?#\\<>]*:)[^\s/"'?#\\<>]+@""", r"\1***@"),),
    ),
    Preset(
        "github-token",
        "GitHub's tokens: `ghp_...`, `gho_...`, `ghu_...`, `ghs_...`, `ghr_...`, `github_pat_...`",
        (Rule(r"gh(?:p|o|u|s|r)_[A-Za-z0-9]{36,}"), Rule(r"github_pat_\w{22,}")),
    ),
    Preset(
        "slack-token",
        "Slack's tokens (`xoxb-...`, `xapp-...`) and the addresses of its webhooks",
        (
            Rule(r"xox[a-z]-[A-Za-z0-9-]{10,}"),
            Rule(r"xapp-\d-[A-Za-z0-9-]{10,}"),
            Rule(r"(hooks\.slack\.com/(?:services|workflows|triggers)/)[\w/]+", r"\1***"),
        ),
    ),
    Preset("google-api-key", "Google's API keys: `AIza...`", (Rule(r"AIza[\w-]{35,}"),)),
)

_PERSONAL = (
    Preset(
        "email",
        "e-mail addresses",
        (Rule(r"(?<![\w.%+-])[\w.%+-]+@[A-Za-z0-9-][A-Za-z0-9.-]*\.[A-Za-z]{2,}"),),
    ),
    Preset(
        "credit-card",
        "card numbers of Visa, Mastercard, American Express and Discover, in one piece or in groups",
        (
            Rule(r"(?<![\w.-])[4-6]\d{3}[ -]?\d{4}[ -]?\d{4}[ -]?\d{4}(?![\w-])"),
            Rule(r"(?<![\w.-])2[2-7]\d\d[ -]?\d{4}[ -]?\d{4}[ -]?\d{4}(?![\w-])"),
            Rule(r"(?<![\w.-])3[47]\d\d[ -]?\d{6}[ -]?\d{5}(?![\w-])"),
        ),
    ),
    Preset(
        "ipv4",
        "IPv4 addresses, and whatever else is four numbers with dots",
        (Rule(r"(?<![\w.])\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}\b"),),
    ),
    Preset(
        "iban",
        "international bank account numbers, in one piece or in groups of four",
        (
            Rule(r"\b[A-Z]{2}\d{2}[A-Z0-9]{4}\d{7}[A-Z0-9]*\b"),
            Rule(r"\b[A-Z]{2}\d{2} [A-Z0-9]{4} \d{4} \d{3}[A-Z0-9][\d ]*[A-Z0-9]"),
        ),
    ),
)

PRESETS: Mapping[str, Preset] = MappingProxyType({preset.name: preset for preset in (*_SECRETS, *_PERSONAL)})
"""Every preset by its name."""

PRESET_GROUPS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "secrets": tuple(preset.name for preset in _SECRETS),
        "personal-data": tuple(preset.name for preset in _PERSONAL),
    }
)
"""What `logs.redact` may name instead of its members."""
