"""What a file is, judged by its first bytes."""

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
"""Picture formats that can be opened."""

_SIGNATURES = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"GIF87a": "GIF",
    b"GIF89a": "GIF",
    b"BM": "BMP",
    b"II*\x00": "TIFF",
    b"MM\x00*": "TIFF",
    b"II+\x00": "TIFF",
    b"MM\x00+": "TIFF",
}

_OTHER_KINDS = {
    b"%PDF": "a PDF document",
    b"PK\x03\x04": "a ZIP archive",
    b"\x1f\x8b": "a gzip archive",
    b"<svg": "an SVG drawing",
    b"<!doctype": "a web page",
    b"<html": "a web page",
    b"<?xml": "an XML file",
    b"{": "a JSON or text file",
    b"\x00\x00\x01\x00": "an icon",
    b"\x00\x00\x00\x0cjp  ": "a JPEG 2000 picture",
    b"\x7fELF": "a program",
}

_HEAD = 512
"""Bytes looked at to tell text from binary."""


def guess_format(content: bytes) -> str | None:
    """Which of `FORMATS` the content begins like, or None."""
    for signature, name in _SIGNATURES.items():
        if content.startswith(signature):
            return name
    return "WEBP" if content[:4] == b"RIFF" and content[8:12] == b"WEBP" else None


def guess_kind(content: bytes) -> str:
    """Name the kind of file in words for a message, with its article."""
    if known := guess_format(content):
        return f"a {known} picture"
    head = content[:_HEAD].removeprefix(b"\xef\xbb\xbf").lstrip()
    for signature, name in _OTHER_KINDS.items():
        if head.lower().startswith(signature.lower()):
            return name
    if content[4:8] == b"ftyp":
        brand = content[8:11]
        return {b"hei": "a HEIC photo", b"avi": "an AVIF picture"}.get(brand, "a video")
    return "a text file" if _is_text(head) else "a file of an unknown kind"


def _is_text(head: bytes) -> bool:
    return not any(byte < 32 and byte not in b"\t\n\r\f\x1b" for byte in head)
