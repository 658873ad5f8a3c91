from __future__ import annotations

import base64
import json
import ssl

from cryptography import x509
from cryptography.x509.oid import NameOID

from llmdctl.sandbox import kubeconfig
from llmdctl.sandbox.certificates import Authority, token_keys


def test_a_certificate_names_its_user_and_groups_and_is_for_loopback(tmp_path):
    authority = Authority(tmp_path)
    pair = authority.issue("admin", user="llmdctl:admin", groups=("system:masters",))
    certificate = x509.load_pem_x509_certificate(pair.certificate.read_bytes())
    root = x509.load_pem_x509_certificate(authority.certificate.read_bytes())
    certificate.verify_directly_issued_by(root)
    names = {part.oid: part.value for part in certificate.subject}
    assert names == {NameOID.COMMON_NAME: "llmdctl:admin", NameOID.ORGANIZATION_NAME: "system:masters"}
    alternatives = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert "127.0.0.1" in {str(address) for address in alternatives.get_values_for_type(x509.IPAddress)}
    ssl.create_default_context().load_cert_chain(pair.certificate, pair.key)


def test_keys_are_for_the_owner_only_and_the_authority_keeps_none(tmp_path):
    authority = Authority(tmp_path)
    authority.issue("admin", user="x")
    token_keys(tmp_path)
    assert {file.name: file.stat().st_mode & 0o777 for file in tmp_path.glob("*.key")} == {
        "admin.key": 0o600,
        "service-accounts.key": 0o600,
    }


def test_a_kubeconfig_is_complete_in_itself(tmp_path):
    authority = Authority(tmp_path)
    pair = authority.issue("admin", user="x")
    path = tmp_path / "kubeconfig"
    kubeconfig.write(path, name="n", server="https://127.0.0.1:1", authority=authority.certificate, client=pair)
    config = json.loads(path.read_text())
    [cluster] = config["clusters"]
    assert base64.b64decode(cluster["cluster"]["certificate-authority-data"]) == authority.certificate.read_bytes()
    assert config["current-context"] == config["contexts"][0]["name"] == "n"
    assert path.stat().st_mode & 0o777 == 0o600
