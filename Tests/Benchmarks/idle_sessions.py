"""Memory: at rest, and with many clients that have said EHLO (after STARTTLS, for the TLS figures) and nothing more.

Postfix has a process for each client and default_process_limit says how many (100), so its figures for more are extrapolated from what it
can hold: marked as such."""

import resource
import select
import socket
import ssl
import time
from concurrent.futures import ThreadPoolExecutor

from processes import proportional_kilobytes
from tlsfiles import Certificate

POSTFIX_SESSIONS = 90
# No client is to be dropped for its silence while the others come.
PATIENT = {"smtpd_timeout": "3600s"}


def open_session(port, context):
    """A client that has said EHLO and waits."""
    client = socket.create_connection(("127.0.0.1", port), 30)
    _expect(client, b"220")
    client.sendall(b"EHLO idle.test\r\n")
    _expect(client, b"250")
    if context:
        client.sendall(b"STARTTLS\r\n")
        _expect(client, b"220")
        client = context.wrap_socket(client)
        client.sendall(b"EHLO idle.test\r\n")
        _expect(client, b"250")
    return client


def _expect(client, code):
    reply = b""
    while not reply.endswith(b"\r\n") or reply.rstrip().rpartition(b"\n")[2][3:4] == b"-":
        data = client.recv(4096)
        assert data, f"a client was dropped after {reply!r}"
        reply += data
    assert reply.startswith(code), reply


def open_sessions(count, port, context):
    with ThreadPoolExecutor(32) as pool:
        return list(pool.map(lambda _: open_session(port, context), range(count)))


def all_alive(clients):
    """Nothing is said to a client that waits, unless it is dropped."""
    poll = select.poll()
    for client in clients:
        poll.register(client, select.POLLIN)
    return not poll.poll(0)


def measure(bench):
    o = bench.options
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    certificate = Certificate(bench.base / "tls")
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    for mta in bench.mtas:
        for is_tls in (False, True):
            kind = "TLS" if is_tls else "plain"
            if is_tls:
                path, key = mta.certificate_paths(certificate)
                mta.configure(**PATIENT, smtpd_tls_security_level="may", smtpd_tls_cert_file=path, smtpd_tls_key_file=key)
            else:
                mta.configure(**PATIENT)
            # All that run on demand are there, and what one client costs once is paid.
            bench.own.send(mta.port, "matt@receiver.test", 1, 10, 1000, True)
            bench.own.send(mta.port, "matt@elsewhere.test", 1, 10, 1000, True)
            open_session(mta.port, context if is_tls else None).close()
            time.sleep(1)
            rest, by_name = proportional_kilobytes(mta.root_pid())
            if not is_tls:
                bench.record("memory", "at rest", mta, {"megabytes": rest / 1024})
                bench.note(f"{mta.name} at rest: " + ", ".join(f"{n} {c}x {k / 1024:.1f} MB" for n, (c, k) in sorted(by_name.items())))
            clients = []
            try:
                for count in o.idle:
                    can = count if mta.name == "Martlet" else min(count, POSTFIX_SESSIONS)
                    clients += open_sessions(can - len(clients), mta.port, context if is_tls else None)
                    time.sleep(1)
                    total, _ = proportional_kilobytes(mta.root_pid())
                    assert all_alive(clients), f"{mta.name} dropped a client\n{mta.explain()}"
                    each = (total - rest) / can
                    bench.record(
                        "memory",
                        f"{count:,} idle {kind} sessions",
                        mta,
                        {
                            "megabytes": (rest + each * count) / 1024,
                            "kilobytes_each": each,
                            "extrapolated_from": can if can < count else None,
                        },
                    )
            finally:
                for client in clients:
                    client.close()
