"""A one-page PDF, small and well-formed: what an emulator gives of an invoice on paper."""

from collections.abc import Iterable

_OBJECTS = (
    b"<< /Type /Catalog /Pages 2 0 R >>",
    b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
    b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 5 0 R /Resources << /Font << /F1 4 0 R >> >> >>",
    b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
)
"""All but what stands on the page."""


def pdf_of(lines: Iterable[str]) -> bytes:
    """An A4 page with these lines of text."""
    shown = "\n".join(f"({_escaped(line)}) Tj T*" for line in lines)
    stream = f"BT /F1 11 Tf 50 790 Td 16 TL\n{shown}\nET".encode("cp1252", "replace")
    objects = (*_OBJECTS, b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream))
    made, offsets = bytearray(b"%PDF-1.4\n"), b""
    for number, content in enumerate(objects, 1):
        offsets += b"%010d 00000 n \n" % len(made)
        made += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    start, size = len(made), len(objects) + 1
    made += b"xref\n0 %d\n0000000000 65535 f \n%s" % (size, offsets)
    made += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (size, start)
    return bytes(made)


def _escaped(line: str) -> str:
    escaped = line.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)")
    return escaped.replace("\r", "").replace("\n", ") Tj T* (")
