"""The form's schemas against the form itself: both must show and require the same fields."""

import jsonschema
import pytest
from library import Account

ANA = {"username": "ana@example.com"}
HTTP = {"protocol": "http"}
NONE = {"smtp_security": "none"}
VALUES = [
    {},
    {"protocol": "smtp"},
    HTTP,
    ANA,
    {"username": "ana"},
    {"username": ""},
    {"username": "ana@example"},
    {"username": "ana@mail.example.com"},
    {"username": "ana @example.com"},
    {"username": "ana@", "email_address": "ana@example.com"},
    NONE,
    {**NONE, **ANA},
    {**NONE, "username": "ana"},
    {"smtp_security": "tls", **ANA},
    {"send_copy": True},
    {"send_copy": False, "copy_to": "archive@example.com"},
    {**HTTP, "send_copy": True},
    {"different_reply_to": True},
    {**HTTP, "different_reply_to": True},
    {**HTTP, **NONE, **ANA},
    {"allow_untrusted_certificate": True},
    {**HTTP, "allow_untrusted_certificate": True},
    {**ANA, "smtp_host": "smtp.example.com", "smtp_port": 465, "password": "secret", "send_copy": True, "copy_to": "a@b.ro"},
]


@pytest.fixture(scope="module")
def account():
    with Account() as account:
        yield account


def form(account, values=None):
    return account.form(values)["form"]


def with_defaults(form, values):
    """What a renderer makes of them: it fills in the defaults of the schema."""
    properties = form["json_forms"]["schema"]["properties"]
    return {**{key: schema["default"] for key, schema in properties.items() if "default" in schema}, **values}


def holds(schema, values):
    return jsonschema.Draft7Validator(schema).is_valid(values)


def told_by_the_schema(schema, values):
    """The fields that the conditional schema has for these values, and those that it requires."""
    parts = [schema] + [part["then"] for part in schema["allOf"] if holds(part["if"], values)]
    shown = {key for part in parts for key in part.get("properties", {})}
    return shown, {key for part in parts for key in part.get("required", [])}


def test_the_schemas_are_valid(account):
    shown = form(account)
    for schema in (shown["json_schema"], shown["json_forms"]["schema"]):
        assert schema["$schema"] == "http://json-schema.org/draft-07/schema#"
        jsonschema.Draft7Validator.check_schema(schema)
    for element in shown["json_forms"]["uischema"]["elements"]:
        if "rule" in element:
            jsonschema.Draft7Validator.check_schema(element["rule"]["condition"]["schema"])


@pytest.mark.parametrize("values", VALUES, ids=str)
def test_the_json_schema_shows_and_requires_what_the_form_does(account, values):
    real = form(account, values)
    shown, required = told_by_the_schema(real["json_schema"], with_defaults(real, values))
    assert shown == {field["key"] for field in real["fields"] if field["visible"]}
    # A stored secret may be kept, of which a schema knows nothing.
    assert required == {field["key"] for field in real["fields"] if field["required"] and not field["secret"]}


@pytest.mark.parametrize("values", VALUES, ids=str)
def test_the_rules_of_json_forms_show_what_the_form_does(account, values):
    real = form(account, values)
    data = with_defaults(real, values)
    shown = set()
    for element in real["json_forms"]["uischema"]["elements"]:
        key = element["scope"].removeprefix("#/properties/")
        assert key in real["json_forms"]["schema"]["properties"]
        rule = element.get("rule")
        if rule is None or holds(rule["condition"]["schema"], data):
            assert rule is None or (rule["effect"], rule["condition"]["scope"]) == ("SHOW", "#")
            shown.add(key)
    assert shown == {field["key"] for field in real["fields"] if field["visible"]}


def test_every_field_is_in_every_schema(account):
    real = form(account)
    keys = [field["key"] for field in real["fields"]]
    assert list(real["json_forms"]["schema"]["properties"]) == keys
    elements = real["json_forms"]["uischema"]["elements"]
    assert [element["scope"] for element in elements] == [f"#/properties/{key}" for key in keys]
    assert real["rjsf"]["uiSchema"]["ui:order"] == keys
    parts = [real["json_schema"], *(part["then"] for part in real["json_schema"]["allOf"])]
    assert sorted(key for part in parts for key in part["properties"]) == sorted(keys)


def test_secrets_are_masked_everywhere(account):
    real = form(account)
    for field in real["fields"]:
        if field["secret"]:
            key = field["key"]
            (element,) = [item for item in real["json_forms"]["uischema"]["elements"] if item["scope"].endswith(f"/{key}")]
            assert element["options"]["format"] == "password"
            assert real["rjsf"]["uiSchema"][key]["ui:widget"] == "password"
            assert real["json_forms"]["schema"]["properties"][key]["writeOnly"] is True


def test_complete_values_fit_the_schema_and_broken_ones_do_not(account):
    real = form(account)
    whole = with_defaults(real, VALUES[-1])
    for schema in (real["json_schema"], real["json_forms"]["schema"]):
        jsonschema.Draft7Validator(schema).validate(whole)
        for broken in ({"smtp_port": 0}, {"smtp_port": 65536}, {"protocol": "carrier pigeon"}, {"send_copy": "yes"}):
            assert not holds(schema, {**whole, **broken})
    assert not holds(real["json_schema"], {key: value for key, value in whole.items() if key != "smtp_host"})
