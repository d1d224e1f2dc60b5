"""Money in minor units, exactly."""

import re
from decimal import ROUND_HALF_EVEN, Context, Decimal
from functools import lru_cache

from .faults import Unfit

DIGITS_MAX = 40
"""Why: no amount or quantity on record needs more; a number without limit could fill the memory."""
_EXACT = Context(prec=3 * DIGITS_MAX, rounding=ROUND_HALF_EVEN)
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,2})?", re.ASCII)

MINOR_DIGITS = {
    "BIF": 0, "CLP": 0, "DJF": 0, "GNF": 0, "ISK": 0, "JPY": 0, "KMF": 0, "KRW": 0, "PYG": 0, "RWF": 0, "UGX": 0,
    "UYI": 0, "VND": 0, "VUV": 0, "XAF": 0, "XOF": 0, "XPF": 0,
    "BHD": 3, "IQD": 3, "JOD": 3, "KWD": 3, "LYD": 3, "OMR": 3, "TND": 3,
    "CLF": 4, "UYW": 4,
}  # fmt: skip
"""The digits of the minor unit by ISO 4217, where they are not two."""
OF_HUNDREDTHS = """
    AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF CHW CNY
    COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR
    IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD
    NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP
    SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG
"""
"""The other codes of ISO 4217 that money is counted in."""
CURRENCIES = frozenset(OF_HUNDREDTHS.split()) | MINOR_DIGITS.keys()


@lru_cache(maxsize=10_000)
def number(text: str) -> Decimal:
    """The decimal number a text says, with a point for the decimals; raises :class:`Unfit`."""
    stripped = text.strip()
    if len(stripped) > DIGITS_MAX or not _NUMBER.fullmatch(stripped):
        raise Unfit(f"{text!r} is not a number")
    return Decimal(stripped)


@lru_cache(maxsize=10_000)
def integer(text: str) -> int:
    """The whole number a text says, with or without decimals of zero; raises :class:`Unfit`."""
    exact = number(text)
    if exact.adjusted() > DIGITS_MAX or exact != exact.to_integral_value():
        raise Unfit(f"{text!r} is not a whole number")
    return int(exact)


def minor(amount: Decimal, times: Decimal, currency: str) -> int:
    """``amount`` of a currency's major units, ``times`` over, in minor units, rounded half to even."""
    product = _EXACT.multiply(amount, times).scaleb(MINOR_DIGITS.get(currency, 2), _EXACT)
    return int(product.to_integral_value(ROUND_HALF_EVEN, _EXACT))
