"""tls_test.py -- rediss:// on the command line: the four --tls options, from flags, environment and files."""

import json
import os
import socket
import subprocess
import sys

sys.dont_write_bytecode = True  # the source tree stays clean

from support import expect, expect_equal, main

PASSWORD = "canary-77aa"
ROUND = ("--maxmemory-policy", "noeviction", "--appendfsync", "always")


def openssl(world, *words):
    done = subprocess.run(["openssl", *words], cwd=world.path("pki"), capture_output=True, text=True, check=False)
    expect_equal(done.returncode, 0, done.stderr)


def issue(world, name, days, names=None):
    """NAME.key and NAME.crt, from the authority ca."""
    openssl(world, "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}",
            "-keyout", f"{name}.key", "-out", f"{name}.csr")
    with open(world.path(f"pki/{name}.ext"), "w", encoding="ascii") as file:
        file.write(f"subjectAltName={names}\n" if names else "basicConstraints=CA:FALSE\n")
    openssl(world, "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial",
            "-days", str(days), "-extfile", f"{name}.ext", "-out", f"{name}.crt")
    os.chmod(world.path(f"pki/{name}.key"), 0o600)


def tls_server(world, name, certificate, *options):
    """Its TLS port, as a URL."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    pki = world.path("pki")
    node = world.server(name, "--tls-port", port, "--tls-cert-file", f"{pki}/{certificate}.crt",
                        "--tls-key-file", f"{pki}/{certificate}.key", "--tls-ca-cert-file", f"{pki}/ca.crt",
                        *options)
    return node, f"rediss://127.0.0.1:{port}"


def prepare(world):
    os.mkdir(world.path("pki"))
    openssl(world, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
            "/CN=ca", "-days", "200", "-keyout", "ca.key", "-out", "ca.crt")
    issue(world, "long", 100, "IP:127.0.0.1")
    issue(world, "short", 3, "IP:127.0.0.1")
    issue(world, "client", 100)
    world.ca = world.path("pki/ca.crt")
    world.node, world.open = tls_server(world, "open", "long", "--tls-auth-clients", "no", *ROUND)
    _, world.mutual = tls_server(world, "mutual", "long")
    _, world.ending = tls_server(world, "ending", "short", "--tls-auth-clients", "no", *ROUND)


def by_flag(world):
    """A command runs under a lock taken over TLS; without its authority the server is not trusted"""
    out = world.run("run", "--tls-ca", world.ca, "job", "--", "sh", "-c", "echo in $REDLOCK_FENCE", url=world.open)
    expect(out[0] == 0 and out[1].startswith("in "), out)
    code, out, err = world.run("run", "-n", "job", "true", url=world.open)
    expect_equal(code, 77, err)
    expect("not trusted here" in err, err)


def by_environment_and_file(world):
    """A flag comes before the environment, and that before the file, in which ~/ is the home"""
    nothing = world.path("pki/nothing")
    expect_equal(world.run("status", "job", url=world.open, env={"REDLOCK_TLS_CA": world.ca})[0], 0)
    with open(world.path("config"), "w", encoding="ascii") as file:
        file.write(f"url = {world.open}\ntls-ca = ~/pki/ca.crt\n")
    of_file = {"REDLOCK_CONFIG": world.path("config"), "HOME": world.folder}
    expect_equal(world.run("run", "job", "true", env=of_file)[::2], (0, ""))
    code, _, err = world.run("run", "job", "true", env={**of_file, "REDLOCK_TLS_CA": nothing})
    expect(code == 64 and "the CA file " + nothing in err, (code, err))
    wrong = {**of_file, "REDLOCK_TLS_CA": nothing}
    expect_equal(world.run("run", "--tls-ca", world.ca, "job", "true", env=wrong)[::2], (0, ""))


def folder(world):
    """--tls-ca may be a folder of authorities"""
    os.mkdir(world.path("pki/all"))
    os.link(world.ca, world.path("pki/all/one.pem"))
    openssl(world, "rehash", "all")
    for words in (("run", "--tls-ca", world.path("pki/all"), "job", "true"), ("ls", "--tls-ca", world.path("pki/all"))):
        expect_equal(world.run(*words, url=world.open)[::2], (0, ""))


def own_certificate(world):
    """A server that wants a certificate gets it; the key has to be private"""
    key, crt = world.path("pki/client.key"), world.path("pki/client.crt")
    ours = ("--tls-ca", world.ca, "--tls-cert", crt, "--tls-key", key)
    for words in (("run", *ours, "job", "true"), ("ls", *ours), ("status", *ours, "job")):
        expect_equal(world.run(*words, url=world.mutual)[::2], (0, ""))
    for words in (("run", *ours[:2], "-n", "job", "true"), ("ls", *ours[:2])):
        code, _, err = world.run(*words, url=world.mutual)
        expect(code != 0 and "wants a client certificate" in err, (code, err))
    os.chmod(key, 0o644)
    code, _, err = world.run("run", *ours, "job", "true", url=world.mutual)
    os.chmod(key, 0o600)
    expect(code == 64 and "others may read" in err, (code, err))


def insecure(world):
    """--tls-insecure takes any certificate, and says so each time, -q or not"""
    for words in (("run", "-q", "--tls-insecure", "job", "true"), ("ls", "-q", "--tls-insecure")):
        code, _, err = world.run(*words, url=world.open)
        expect(code == 0 and "WARNING: --tls-insecure" in err, (code, err))
    for value, wanted in (("yes", 0), ("no", 77)):
        code, _, err = world.run("run", "-n", "job", "true", url=world.open, env={"REDLOCK_TLS_INSECURE": value})
        expect_equal((code, "WARNING" in err), (wanted, value == "yes"), err)
    code, _, err = world.run("run", "--tls-insecure=maybe", "job", "true", url=world.open)
    expect(code == 64 and "yes or no" in err, (code, err))
    expect("WARNING" not in world.run("ls", "--tls-insecure", url=world.node.url)[2], "there is no TLS")


def doctor(world):
    """The doctor tells the protocol and when the certificate ends, and warns two weeks before"""
    told = {}
    for name, url in (("open", world.open), ("ending", world.ending)):
        out = world.run("doctor", "--json", "--timeout", "5", "--tls-ca", world.ca, url=url)[1]
        told[name] = [one for one in map(json.loads, out.splitlines()) if one["check"] == "privacy"]
    expect_equal([one["level"] for one in told["open"]], ["ok"])
    expect("TLSv1.3; the certificate ends in 99 days" in told["open"][0]["what"], told["open"])
    expect_equal([one["level"] for one in told["ending"]], ["warn"])
    expect("its certificate ends in 2 days" in told["ending"][0]["what"], told["ending"])
    out = world.run("doctor", "--json", "--timeout", "5", "--tls-insecure", url=world.open)[1]
    told = [one for one in map(json.loads, out.splitlines()) if one["check"] == "privacy"]
    expect(told[0]["level"] == "warn" and "not checked" in told[0]["what"], told)
    out = world.run("doctor", "--json", "--timeout", "5", url=world.open)[1]
    told = [one for one in map(json.loads, out.splitlines()) if one["check"] == "reach"]
    expect(told[0]["level"] == "fail" and "not trusted" in told[0]["what"] and "--tls-ca" in told[0]["do"], told)


def password(world):
    """Who is not trusted gets no password"""
    world.node.ask("ACL", "SETUSER", "app", "on", ">other", "~*", "&*", "+@all")
    secret = {"REDLOCK_USER": "app", "REDLOCK_PASSWORD": PASSWORD}
    for words in (("run", "-n", "job", "true"), ("status", "job")):
        expect(world.run(*words, url=world.open, env=secret)[0] != 0, "not trusted")
    expect_equal(world.node.ask("ACL", "LOG"), "*0", "nobody tried to log in")
    code, out, err = world.run("status", "--tls-ca", world.ca, "job", url=world.open, env=secret)
    expect(code != 0 and PASSWORD not in out + err, err)
    expect_equal(world.node.ask("ACL", "LOG"), "*1", "this one did")


main([by_flag, by_environment_and_file, folder, own_certificate, insecure, doctor, password], prepare)
