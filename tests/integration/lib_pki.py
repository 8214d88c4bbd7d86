"""A certificate authority for one test run, by openssl(1)."""
import os
import subprocess


def _openssl(*words):
    subprocess.run(["openssl", *map(str, words)], check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


class Authority:
    """Files NAME.crt and NAME.key for each name, and ca.crt, in `directory`;
    a sub-directory holds a second authority that nobody trusts."""

    def __init__(self, directory):
        self.dir = str(directory)
        os.makedirs(self.dir, exist_ok=True)
        self.ca = self.path("ca.crt")
        _openssl("req", "-x509", "-newkey", "ec", "-pkeyopt",
                 "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
                 "/CN=patrol test authority", "-keyout", self.path("ca.key"),
                 "-out", self.ca)

    def path(self, name):
        return os.path.join(self.dir, name)

    def issue(self, name, alt_name=None, file_name=None):
        """(certificate, key) for the common name; `alt_name` such as
        "DNS:localhost,IP:127.0.0.1" makes it a server's."""
        stem = self.path(file_name or name)
        if os.path.exists(stem + ".crt"):
            return stem + ".crt", stem + ".key"
        _openssl("req", "-newkey", "ec", "-pkeyopt",
                 "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}",
                 "-keyout", stem + ".key", "-out", stem + ".csr")
        with open(stem + ".ext", "w", encoding="ascii") as extension:
            extension.write(f"subjectAltName={alt_name or 'DNS:' + name}\n")
        _openssl("x509", "-req", "-in", stem + ".csr", "-CA", self.ca,
                 "-CAkey", self.path("ca.key"), "-CAcreateserial", "-days",
                 "2", "-extfile", stem + ".ext", "-out", stem + ".crt")
        return stem + ".crt", stem + ".key"
