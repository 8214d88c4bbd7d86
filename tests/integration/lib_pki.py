"""A certificate authority for one test run, by openssl(1)."""
import datetime
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

    def issue_for(self, name, seconds):
        """As issue(), from yesterday until then; each call makes another
        one."""
        stem = self.path(f"{name}.short")
        now = datetime.datetime.now(datetime.timezone.utc)
        begins = now - datetime.timedelta(days=1)
        ends = now + datetime.timedelta(seconds=seconds)
        _openssl("req", "-newkey", "ec", "-pkeyopt",
                 "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}",
                 "-keyout", stem + ".key", "-out", stem + ".csr")
        with open(stem + ".conf", "w", encoding="ascii") as conf:
            conf.write(f"[ca]\ndefault_ca = short\n[short]\ndatabase ="
                       f" {stem}.index\nrand_serial = yes\ndefault_md ="
                       " sha256\npolicy = any\nunique_subject = no\n"
                       "[any]\ncommonName = supplied\n")
        with open(stem + ".index", "w", encoding="ascii"):
            pass
        # only openssl's ca(1) takes an end to the second
        _openssl("ca", "-batch", "-notext", "-config", stem + ".conf",
                 "-cert", self.ca, "-keyfile", self.path("ca.key"), "-in",
                 stem + ".csr", "-out", stem + ".crt", "-outdir", self.dir,
                 "-startdate", begins.strftime("%y%m%d%H%M%SZ"), "-enddate",
                 ends.strftime("%y%m%d%H%M%SZ"))
        return stem + ".crt", stem + ".key"
