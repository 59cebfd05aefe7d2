"""TLS contexts read the machine's certificates when they are first used, and are otherwise what they would have been."""

import ssl

from perptape.exchanges._certificates import read_later


def wrapped(context: ssl.SSLContext) -> ssl.SSLObject:
    return context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="venue.example")


def test_certificates_are_read_by_the_first_connection_and_not_before():
    plain = ssl.create_default_context()
    with read_later():
        later = ssl.create_default_context()
    assert later.cert_store_stats()["x509_ca"] == 0
    assert wrapped(later).context is later
    assert later.cert_store_stats() == plain.cert_store_stats()
    assert (later.verify_mode, later.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert wrapped(later).context is later


def test_contexts_made_outside_are_not_touched():
    with read_later():
        pass
    assert ssl.create_default_context().cert_store_stats() == ssl.create_default_context().cert_store_stats()
    assert "set_default_verify_paths" not in vars(ssl.SSLContext)
