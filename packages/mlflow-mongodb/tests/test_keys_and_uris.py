"""Keys as field names, and URIs without their credentials."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framework_mlflow_mongodb.keys import escape, unescape
from framework_mlflow_mongodb.uri import StoreUri, redact


@pytest.mark.drawn
@given(st.text())
def test_a_key_comes_back_as_it_was_and_is_a_lawful_field(key):
    field = escape(key)
    assert unescape(field) == key
    assert field
    assert not set(field) & set(".$")


@pytest.mark.parametrize(
    ("uri", "database", "shown"),
    [
        ("mongodb://localhost:27017", "mlflow", "mongodb://localhost:27017/mlflow"),
        ("mongodb://localhost/?replicaSet=rs0", "mlflow", "mongodb://localhost/mlflow?replicaSet=rs0"),
        ("mongodb://u:p%40x@a,b:2/db?authSource=admin", "db", "mongodb://a,b:2/db?authSource=admin"),
        ("mongodb+srv://u:p@cluster.example.org/", "mlflow", "mongodb+srv://cluster.example.org/mlflow"),
        (
            "mongodb://h/?tlsCertificateKeyFilePassword=abc&tls=true",
            "mlflow",
            "mongodb://h/mlflow?tlsCertificateKeyFilePassword=***&tls=true",
        ),
    ],
)
def test_a_uri_names_its_database_and_shows_no_credentials(uri, database, shown):
    parsed = StoreUri.parse(uri)
    assert parsed.database == database
    assert str(parsed) == repr(parsed) == shown


@given(st.text(st.characters(blacklist_characters="/@:?#", blacklist_categories=["C", "Z"]), min_size=4))
def test_no_password_survives_redaction(password):
    text = f"cannot open mongodb://user:{password}@host:27017/db: refused"
    assert redact(text) == "cannot open mongodb://host:27017/db: refused"
