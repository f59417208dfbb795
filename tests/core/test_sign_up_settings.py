"""Who may sign up, as the operator sets it."""

import pytest

from core.people_settings import PeopleSettings
from core.services.entrance import mode_of
from core.settings_sign_up import SignUpMode, sign_up_mode
from core.settings_values import SettingsError


def test_everybody_may_sign_up_unless_it_is_set() -> None:
    assert sign_up_mode({}) is SignUpMode.OPEN
    assert sign_up_mode({"REAPI_SIGN_UP": "Invited"}) is SignUpMode.INVITED


def test_a_wrong_value_names_the_variable() -> None:
    with pytest.raises(SettingsError, match="REAPI_SIGN_UP"):
        sign_up_mode({"REAPI_SIGN_UP": "perhaps"})


@pytest.mark.parametrize(
    ("mode", "stranger", "invited"),
    [
        (SignUpMode.OPEN, True, True),
        (SignUpMode.INVITED, False, True),
        (SignUpMode.CLOSED, False, False),
    ],
)
def test_who_may_come(mode: SignUpMode, *, stranger: bool, invited: bool) -> None:
    assert mode.lets_in(invited=False) is stranger
    assert mode.lets_in(invited=True) is invited


def test_nobody_signs_up_where_no_mail_can_be_sent() -> None:
    assert mode_of(PeopleSettings()) is SignUpMode.CLOSED
