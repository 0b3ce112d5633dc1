"""Decisions about identities and passwords, on plain values."""

import hashlib
import hmac
import ipaddress
import re
import unicodedata
from dataclasses import dataclass, field
from importlib import resources
from typing import NamedTuple, TypeVar

import email_validator
import phonenumbers
from email_validator import EmailNotValidError, validate_email

from lockstock.kernel.errors import InvalidInput, Refusal
from lockstock.users.contract import IdentityKind

SHORTEST_PASSWORD = 8
LONGEST_PASSWORD = 128
MOST_IDENTITIES = 20
LONGEST_ADDRESS = 254
LONGEST_PHONE = 40

# Reserved names that private networks and test systems send mail to all the same. The library asks
# its users to change this list of its for that.
_MAIL_ALL_THE_SAME = frozenset({"invalid", "local", "test"})
email_validator.SPECIAL_USE_DOMAIN_NAMES[:] = [
    name for name in email_validator.SPECIAL_USE_DOMAIN_NAMES if name not in _MAIL_ALL_THE_SAME
]

# What people write between digits. No letters: "ext. 5" and 0800-FLOWERS are not told a code.
_PHONE = re.compile(r"\+?[0-9 ().\-/]+")
_DASHES = dict.fromkeys(map(ord, "\u2010\u2011\u2012\u2013\u2014\u2212"), "-")

T = TypeVar("T")


@dataclass(frozen=True)
class UserLimits:
    """What the service is told: times in seconds, counts, and the cost of a password.

    `secret` keys the hashes of one-time codes; all processes have the same. A password costs
    `hash_passes` over `hash_memory_kib` in `hash_lanes` lanes (OWASP's figures for Argon2id).
    """

    secret: str = field(repr=False)
    refresh_token_seconds: int
    code_seconds: int
    code_tries: int
    failures_per_identity: int
    codes_per_identity: int
    failures_per_address: int
    password_workers: int
    default_region: str
    hash_memory_kib: int = 19_456
    hash_passes: int = 2
    hash_lanes: int = 1


class Identifier(NamedTuple):
    """An identity in the one form that is kept."""

    kind: IdentityKind
    value: str


def identifier_of(text: str, region: str) -> Identifier:
    """Tell what was typed, an e-mail address or a phone number. Raises ValueError for neither."""
    if "@" in unicodedata.normalize("NFKC", text):
        return Identifier("email", normalised_email(text))
    try:
        return Identifier("phone", normalised_phone(text, region))
    except ValueError:
        msg = "is neither an e-mail address nor a phone number"
        raise ValueError(msg) from None


def typed_identifier(text: str, region: str) -> Identifier:
    """Like `identifier_of`, refusing the field `identifier` of a request."""
    try:
        return identifier_of(text, region)
    except ValueError as error:
        raise InvalidInput.at("identifier", str(error)) from None


def typed_identities(email: str | None, phone: str | None, region: str) -> list[Identifier]:
    """Return what the fields `email` and `phone` of a request mean. Raises InvalidInput."""
    identities: list[Identifier] = []
    path = "email"
    try:
        if email is not None:
            identities.append(Identifier("email", normalised_email(email)))
        path = "phone"
        if phone is not None:
            identities.append(Identifier("phone", normalised_phone(phone, region)))
    except ValueError as error:
        raise InvalidInput.at(path, str(error)) from None
    return identities


def normalised_email(text: str) -> str:
    """Return the address as it is kept: NFC, lower case, the domain in Unicode. Or ValueError.

    Whether mail arrives there is for the code that is sent to find out, not for this.
    """
    # Twice, for the letters whose lower case is not composed, or has one of its own.
    typed = unicodedata.normalize("NFC", unicodedata.normalize("NFC", text.strip()).lower())
    try:
        found = validate_email(typed, check_deliverability=False, strict=True).normalized
    except EmailNotValidError:
        msg = "is not an e-mail address"
        raise ValueError(msg) from None
    if len(found.encode()) > LONGEST_ADDRESS:
        msg = f"is longer than {LONGEST_ADDRESS} bytes"
        raise ValueError(msg)
    return found


def normalised_phone(text: str, region: str) -> str:
    """Return the number in E.164. `region` is the country of one without +. Or ValueError.

    New ranges are opened faster than any list of them is read, so only the length is looked at.
    """
    typed = unicodedata.normalize("NFKC", text.strip()).translate(_DASHES)
    typed = "".join(str(unicodedata.decimal(c)) if c.isdecimal() else c for c in typed)
    msg = "is not a phone number, such as +44 7700 900123"
    if len(typed) > LONGEST_PHONE or not _PHONE.fullmatch(typed):
        raise ValueError(msg)
    try:
        number = phonenumbers.parse(typed, region)
    except phonenumbers.NumberParseException:
        raise ValueError(msg) from None
    possible = phonenumbers.is_possible_number_with_reason(number)
    if possible != phonenumbers.ValidationResult.IS_POSSIBLE:
        raise ValueError(msg)
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def normalised_password(password: str) -> str:
    """Return what is hashed: NFKC, so that two keyboards type the same password."""
    return unicodedata.normalize("NFKC", password)


def _common_passwords() -> frozenset[str]:
    text = (resources.files("lockstock.users") / "blocklist.txt").read_text("utf-8")
    lines = (line.strip() for line in text.splitlines())
    return frozenset(line for line in lines if line and not line.startswith("#"))


COMMON_PASSWORDS = _common_passwords()


def password_fault(password: str, identities: list[Identifier]) -> str | None:
    """Say what is wrong with a new password, None if nothing is. No rules of composition."""
    password = normalised_password(password)
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        return f"must have {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters"
    plain = password.casefold().strip()
    if plain in COMMON_PASSWORDS or len(set(plain)) <= 1:
        return "is one of the most common passwords"
    digits = "".join(c for c in plain if c.isdecimal())
    for identity in identities:
        if plain in {identity.value.casefold(), identity.value.partition("@")[0].casefold()}:
            return "must not be the e-mail address or phone number"
        if identity.kind == "phone" and _is_number(plain) and _same_number(digits, identity.value):
            return "must not be the e-mail address or phone number"
    return None


def _is_number(text: str) -> bool:
    return _PHONE.fullmatch(text) is not None


def _same_number(digits: str, number: str) -> bool:
    # As typed at home: without the country, or with 0 or 00 in front.
    bare = digits.lstrip("0")
    return len(bare) >= SHORTEST_PASSWORD - 1 and number.endswith(bare)


def digest(secret: str, *parts: str) -> bytes:
    """HMAC-SHA-256 over the parts, each with its length so that no two lists run together."""
    mac = hmac.new(secret.encode(), b"lockstock users\0", hashlib.sha256)
    for part in parts:
        encoded = part.encode()
        mac.update(len(encoded).to_bytes(8, "big"))
        mac.update(encoded)
    return mac.digest()


def network_of(address: str) -> str:
    """Return what is limited: an IPv4 address, or the /64 that one IPv6 customer has to itself."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.IPv6Network((int(parsed) >> 64 << 64, 64)))
    return str(parsed)


def granted(outcome: T | Refusal) -> T:
    """Return what a committed transaction gave, or raise the refusal that it returned."""
    if isinstance(outcome, Refusal):
        raise outcome
    return outcome
