"""The job with Python's smtplib and email."""

import sys
import threading

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


def send_all(servers):
    """smtplib knows no batch: each connection sends one email after the other."""
    left = iter(range(job.count))
    lock = threading.Lock()

    def work(server):
        while True:
            with lock:
                if next(left, None) is None:
                    return
            send_one(server)

    threads = [threading.Thread(target=work, args=[server]) for server in servers[1:]]
    for thread in threads:
        thread.start()
    work(servers[0])
    for thread in threads:
        thread.join()


def main():
    if job.is_cold:
        benchmark.measure_cold(lambda: send_one(connect()))
        return
    servers = [connect() for _ in range(job.connections)]
    for server in servers:
        server.send_message(email(benchmark.SMALL_DOCUMENT))
    benchmark.measure(lambda: send_all(servers))


main()
