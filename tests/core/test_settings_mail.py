"""What an operator may set about mail."""

import pytest

from core.mail.resend import ResendSettings
from core.mail.smtp import SmtpSettings
from core.settings_mail import mail_settings
from core.settings_values import SettingsError

SECRET = "whsec_" + "QUJD" * 8
RESEND = {"REAPI_RESEND_API_KEY": "re_1", "REAPI_MAIL_FROM": "reAPI <mail@example.com>"}
SMTP = {"REAPI_SMTP_URL": "smtp://mail.example.com", "REAPI_MAIL_FROM": "mail@example.com"}


def test_nothing_set_means_no_mail():
    assert mail_settings({}) is None


def test_resend_with_all_that_belongs_to_it():
    found = mail_settings(
        {
            **RESEND,
            "REAPI_CONTACT_EMAIL": "support@example.com",
            "REAPI_RESEND_WEBHOOK_SECRET": f"{SECRET}, {SECRET}",
            "REAPI_RESEND_URL": "http://127.0.0.1:9/",
        }
    )
    assert found is not None
    assert isinstance(found.service, ResendSettings)
    assert found.service.url == "http://127.0.0.1:9"
    assert found.sender.header == "reAPI <mail@example.com>"
    assert found.contact == "support@example.com"
    assert len(found.webhook_secrets) == 2
    assert "re_1" not in repr(found)
    assert "whsec" not in repr(found)


@pytest.mark.parametrize(
    ("url", "port", "use_tls", "start_tls"),
    [
        ("smtps://u%40x:p%2Fw@mail.example.com", 465, True, False),
        ("smtp://u%40x:p%2Fw@mail.example.com", 587, False, True),
        ("smtp://u%40x:p%2Fw@mail.example.com:2525", 2525, False, True),
        ("smtp://u%40x:p%2Fw@127.0.0.1:1025", 1025, False, False),
    ],
)
def test_smtp_is_encrypted_off_this_machine(url, port, use_tls, start_tls):
    found = mail_settings({**SMTP, "REAPI_SMTP_URL": url})

    assert found is not None
    service = found.service
    assert isinstance(service, SmtpSettings)
    assert (service.port, service.use_tls, service.start_tls) == (port, use_tls, start_tls)
    assert (service.username, service.password.reveal()) == ("u@x", "p/w")
    assert found.sender.header == "reAPI <mail@example.com>"
    assert found.webhook_secrets == ()


@pytest.mark.parametrize(
    ("env", "name"),
    [
        ({**RESEND, **SMTP}, "REAPI_RESEND_API_KEY"),
        ({"REAPI_MAIL_FROM": "a@example.com"}, "REAPI_MAIL_FROM"),
        ({"REAPI_CONTACT_EMAIL": "a@example.com"}, "REAPI_CONTACT_EMAIL"),
        ({"REAPI_RESEND_API_KEY": "re_1"}, "REAPI_MAIL_FROM"),
        ({**RESEND, "REAPI_MAIL_FROM": "nobody"}, "REAPI_MAIL_FROM"),
        ({**RESEND, "REAPI_MAIL_FROM": "a\r\nb <a@example.com>"}, "REAPI_MAIL_FROM"),
        ({**RESEND, "REAPI_CONTACT_EMAIL": "nobody"}, "REAPI_CONTACT_EMAIL"),
        ({**RESEND, "REAPI_RESEND_API_KEY": "re 1"}, "REAPI_RESEND_API_KEY"),
        ({**RESEND, "REAPI_RESEND_URL": "http://resend.example.com"}, "REAPI_RESEND_URL"),
        ({**RESEND, "REAPI_RESEND_WEBHOOK_SECRET": "secret"}, "REAPI_RESEND_WEBHOOK_SECRET"),
        ({**SMTP, "REAPI_RESEND_WEBHOOK_SECRET": SECRET}, "REAPI_RESEND_WEBHOOK_SECRET"),
        ({**SMTP, "REAPI_SMTP_URL": "mail.example.com"}, "REAPI_SMTP_URL"),
        ({**SMTP, "REAPI_SMTP_URL": "http://mail.example.com"}, "REAPI_SMTP_URL"),
        ({**SMTP, "REAPI_SMTP_URL": "smtp://mail.example.com:x"}, "REAPI_SMTP_URL"),
        ({**SMTP, "REAPI_SMTP_URL": "smtp://mail.example.com?x=1"}, "REAPI_SMTP_URL"),
    ],
)
def test_a_wrong_value_names_its_variable_and_not_itself(env, name):
    with pytest.raises(SettingsError, match=name) as refused:
        mail_settings(env)
    assert "whsec_QUJD" not in str(refused.value)
    assert "re 1" not in str(refused.value)
