"""The tables that say what a failure means are whole."""

from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo

from core.errors import MEANING, Another, Fault, GatewayError, Reason, describe
from core.status import CODES, to_status
from reapi.v1.error_reason_pb2 import ErrorReason


def test_every_fault_has_a_meaning():
    assert set(MEANING) == set(Fault)


def test_every_reason_has_a_code():
    assert set(CODES) == set(Reason)


def test_our_reasons_are_those_of_the_contract():
    contract = {name.removeprefix("ERROR_REASON_") for name in list(ErrorReason.keys())}

    assert {str(reason) for reason in Reason} == contract - {"UNSPECIFIED"}


def test_what_never_blames_a_channel_never_tries_another():
    for fault, meaning in MEANING.items():
        assert meaning.blames_channel == (meaning.another is not Another.NEVER), fault


def test_every_reason_can_be_described():
    for reason in Reason:
        assert describe(reason).endswith("Nothing was charged.")


def test_a_status_carries_one_error_info_and_the_delay():
    error = GatewayError(Reason.RATE_LIMIT_EXCEEDED, "slow down", parameter="n", retry_after=1.5)
    status = to_status(error)
    info, retry = ErrorInfo(), RetryInfo()

    assert status.details[0].Unpack(info)
    assert status.details[1].Unpack(retry)
    assert (info.reason, info.domain, dict(info.metadata)) == (
        "RATE_LIMIT_EXCEEDED",
        "reapi",
        {"parameter": "n"},
    )
    assert retry.retry_delay.ToMilliseconds() == 1500
