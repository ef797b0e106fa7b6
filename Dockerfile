FROM python:3.13-slim

ENV PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1

COPY . /src
RUN pip install --no-cache-dir --root-user-action=ignore /src

# A new volume takes over the owner of the folder it is mounted on: the shop's ledger must be writable.
RUN useradd --system --uid 10001 --no-create-home holdfast \
 && install --directory --owner=holdfast /shop

USER holdfast
CMD ["holdfast", "--help"]
