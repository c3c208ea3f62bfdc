# SPDX-License-Identifier: Apache-2.0
"""Client certificates good and bad, made with openssl, and a client of the kubelet port."""

import http.client
import pathlib
import ssl
import subprocess

import pytest


def openssl(*arguments, stdin=None):
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, input=stdin)


class Authority:
    """An authority that signs client certificates: `certificate` and `key` are its files."""

    def __init__(self, folder, certificate, key):
        self.folder, self.certificate, self.key = pathlib.Path(folder), certificate, key
        self._serial = 1000

    @classmethod
    def new(cls, folder, name="kubernetes-ca"):
        """One that nobody knows, whatever its name."""
        folder = pathlib.Path(folder)
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-days", "1", "-subj", f"/CN={name}", "-keyout", folder / "foreign.key",
                "-out", folder / "foreign.crt")
        return cls(folder, folder / "foreign.crt", folder / "foreign.key")

    def sign(self, subject, start=None, end=None, san=None, usage="clientAuth"):
        """(certificate, key) of `subject`; start and end as openssl ca takes them."""
        self._serial += 1
        base = self.folder / f"pair-{self._serial}"
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
                subject, "-keyout", f"{base}.key", "-out", f"{base}.csr")
        extensions = base.with_suffix(".ext")
        extensions.write_text(f"extendedKeyUsage={usage}\n" +
                              (f"subjectAltName={san}\n" if san else ""))
        if start is None:
            openssl("x509", "-req", "-in", f"{base}.csr", "-CA", self.certificate, "-CAkey",
                    self.key, "-days", "1", "-set_serial", self._serial, "-extfile", extensions,
                    "-out", f"{base}.crt")
        else:
            # Only `openssl ca` signs for a time that is over.
            index, config = base.with_suffix(".index"), base.with_suffix(".cnf")
            index.write_text("")
            config.write_text("[ca]\ndefault_ca=d\n[d]\ndatabase=" + str(index) +
                              "\nrand_serial=yes\npolicy=p\n[p]\norganizationName=optional\ncommonName=supplied\n")
            openssl("ca", "-batch", "-notext", "-config", config, "-md", "sha256", "-in",
                    f"{base}.csr", "-cert", self.certificate, "-keyfile", self.key, "-out",
                    f"{base}.crt", "-startdate", start, "-enddate", end, "-outdir", self.folder,
                    "-extfile", extensions)
        return f"{base}.crt", f"{base}.key"


@pytest.fixture(name="authority", scope="module")
def cluster_authority(world, tmp_path_factory):
    """The one that signs for the cluster, which the kubelet port believes, too."""
    pki = world.folder / "control-plane/pki"
    return Authority(tmp_path_factory.mktemp("signed"), pki / "ca.crt", pki / "ca.key")


@pytest.fixture(name="admin", scope="module")
def cluster_admin(authority):
    """(certificate, key) of somebody who may do everything."""
    return authority.sign("/O=system:masters/CN=admin")


class Port:
    """HTTP to a kubelet port, one connection for each request unless `connection` is used."""

    def __init__(self, address, number):
        self.address, self.number = address, number

    def context(self, certificate=None):
        # Not the default one: the system's authorities would be read for each connection.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if certificate:
            context.load_cert_chain(*certificate)
        return context

    def connection(self, certificate=None, timeout=120):
        return http.client.HTTPSConnection(self.address, self.number, timeout=timeout,
                                           context=self.context(certificate))

    def ask(self, path, certificate=None, token=None, method="GET", headers=None, timeout=120):
        """(status, body)"""
        connection = self.connection(certificate, timeout)
        headers = dict(headers or {}, **({"Authorization": f"Bearer {token}"} if token else {}))
        try:
            connection.request(method, path, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode(errors="replace")
        finally:
            connection.close()

    def server_certificate(self):
        """PEM of what the port shows."""
        return ssl.get_server_certificate((self.address, self.number))
