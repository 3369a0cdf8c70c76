"""The job with Python's smtplib and email."""

import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import job as benchmark

job = benchmark.Job(sys.argv[1:])


def connect():
    import smtplib
    import socket
    import ssl

    # The name for EHLO, as the default asks the name server for it.
    tls, name = ssl.create_default_context(cafile=job.ca_file), "client.example.com"
    if job.is_starttls:
        server = smtplib.SMTP(job.host, job.port, local_hostname=name)
        server.starttls(context=tls)
    else:
        server = smtplib.SMTP_SSL(job.host, job.port, local_hostname=name, context=tls)
    # Without it every email waits 40 ms for the server's delayed acknowledgement.
    server.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    server.login(job.user, job.password)
    return server


def email(document):
    from email.message import EmailMessage
    from email.utils import formatdate, make_msgid

    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = job.user, ", ".join(job.recipients), "Invoice"
    message["Date"], message["Message-ID"] = formatdate(), make_msgid(domain="example.com")
    message.set_content("Please find it attached.\n")
    message.add_attachment(document, maintype="application", subtype="pdf", filename="document.pdf")
    return message


def send_one(server):
    server.send_message(email(job.read() if job.is_from_file else job.document))


def warm(_):
    server = connect()
    server.send_message(email(benchmark.SMALL_DOCUMENT))
    return server


def send_all(pool, servers):
    """smtplib knows no batch: each connection sends one email after the other."""
    left = iter(range(job.count))
    lock = threading.Lock()

    def work(server):
        while True:
            with lock:
                if next(left, None) is None:
                    return
            send_one(server)

    list(pool.map(work, servers))


def main():
    if job.is_cold:
        benchmark.measure_cold(lambda: send_one(connect()))
        return
    with ThreadPoolExecutor(job.connections) as pool:
        servers = list(pool.map(warm, range(job.connections)))
        benchmark.measure(lambda: send_all(pool, servers))


main()
