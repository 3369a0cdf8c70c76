"""Reads a request into an email: the fields into memory, the files onto the disk, and nothing past its limit."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl

from aiohttp import BodyPartReader, web
from aiohttp.http_exceptions import HttpProcessingError

from .refusal import Refusal
from .tokens import addresses

FIELDS = ("from", "reply_to", "to", "cc", "bcc", "subject", "body")
CONTROLS = {chr(code) for code in (*range(32), 127, 0x85, 0x2028, 0x2029)}


@dataclass
class File:
    name: str
    kind: str
    path: Path


@dataclass
class Email:
    sender: str
    reply_to: list
    to: list
    cc: list
    bcc: list
    subject: str
    body: str
    digest: str
    files: list = field(default_factory=list)
    is_test: bool = False


async def read(request, folder, limits):
    if request.content_length is None:
        raise Refusal(411, "The request does not say how long it is.")
    if request.content_length > limits.request_bytes:
        raise Refusal(413, f"The email is larger than the {limits.request_bytes} bytes that are taken here.")
    if "Content-Encoding" in request.headers:
        # Unpacked, it could be of any size.
        raise Refusal(415, "The request must not be compressed.")
    try:
        if request.content_type == "application/x-www-form-urlencoded":
            return await _form(request, limits)
        if request.content_type == "multipart/form-data":
            return await _multipart(request, folder, limits)
    except (ValueError, web.RequestPayloadError, HttpProcessingError, AssertionError, LookupError, RuntimeError):
        # What aiohttp raises where the body is no multipart, or ends too early.
        raise Refusal(400, "The request is not well formed.") from None
    raise Refusal(415, "The request must be a form: multipart/form-data, or application/x-www-form-urlencoded for a test.")


async def _form(request, limits):
    if request.content_length > limits.text_bytes:
        raise Refusal(413, "The test email is too large.")
    raw = await request.content.readexactly(request.content_length) if request.content_length else b""
    pairs = parse_qsl(
        raw.decode("utf-8"), keep_blank_values=True, strict_parsing=True, errors="strict", max_num_fields=limits.parts
    )
    texts = {}
    for name, value in pairs:
        _put(texts, name, value)
    email = _email(texts, hashlib.sha256(raw).hexdigest())
    email.is_test = True
    if len(email.to) != 1 or email.cc or email.bcc:
        raise Refusal(422, "A test email goes to one address, in the field to.")
    return email


async def _multipart(request, folder, limits):
    texts, files, spent, parts = {}, [], 0, 0
    whole = hashlib.sha256()
    reader = await request.multipart()
    while (part := await reader.next()) is not None:
        parts += 1
        if parts > limits.parts:
            raise Refusal(413, f"The request has more than {limits.parts} parts.")
        encodings = {"Content-Encoding", "Content-Transfer-Encoding"}
        if not isinstance(part, BodyPartReader) or any(name in part.headers for name in encodings):
            raise Refusal(400, "The request has a part that is neither a plain field nor a plain file.")
        if not part.name:
            raise Refusal(400, "The request has a part without a name.")
        if part.filename is None:
            data = await _text(part, limits.text_bytes - spent)
            spent += len(data)
            _put(texts, part.name, data.decode("utf-8"))
            _add(whole, b"field", part.name.encode(), hashlib.sha256(data).digest())
        else:
            kind = part.headers.get("Content-Type", "").partition(";")[0].strip()
            _check_line(part.filename, "a file's name")
            file = File(part.filename, kind, folder / str(len(files)))
            files.append(file)
            _add(whole, b"file", file.name.encode(), kind.encode(), await _spool(part, file.path, limits.file_bytes))
    # This raises if the connection ended before the Content-Length: its sender cancelled it.
    if await request.content.readany():
        raise Refusal(400, "The request goes on behind its last boundary.")
    if not files:
        raise Refusal(422, "The email has no document.")
    email = _email(texts, whole.hexdigest())
    email.files = files
    return email


async def _text(part, most):
    data = bytearray()
    while piece := await part.read_chunk(65536):
        data += piece
        if len(data) > most:
            raise Refusal(413, "The text of the email is too large.")
    return bytes(data)


async def _spool(part, path, most):
    content, size = hashlib.sha256(), 0
    with path.open("wb") as file:
        while piece := await part.read_chunk(65536):
            size += len(piece)
            if size > most:
                raise Refusal(413, f"A file is larger than the {most} bytes that are taken here.")
            content.update(piece)
            file.write(piece)
    return content.digest()


def _add(whole, *values):
    for value in values:
        whole.update(len(value).to_bytes(8, "big") + value)


def _put(texts, name, value):
    if name not in FIELDS:
        return
    if name in texts:
        raise Refusal(400, f"The field {name} is there twice.")
    if name != "body":
        _check_line(value, f"the field {name}")
    elif "\0" in value:
        raise Refusal(422, "The body has a character that no email can have.")
    texts[name] = value


def _check_line(value, place):
    # A line end here would begin a header of the sender's choice.
    if CONTROLS & set(value):
        raise Refusal(422, f"There is a line end or another control character in {place}.")


def _email(texts, digest):
    missing = [name for name in ("from", "reply_to", "to", "subject", "body") if name not in texts]
    if missing:
        raise Refusal(400, f"The field {missing[0]} is missing.")
    lists = {name: addresses(texts.get(name, ""), name) for name in ("reply_to", "to", "cc", "bcc")}
    if not (lists["to"] or lists["cc"] or lists["bcc"]):
        raise Refusal(422, "The email has no recipient.")
    return Email(texts["from"].strip(), **lists, subject=texts["subject"], body=texts["body"], digest=digest)
