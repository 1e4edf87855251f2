FROM python:3.12-slim

# The embedded PostgreSQL needs a user with a name; it is there for a single container with a volume at /data.
RUN useradd --uid 10001 --create-home journeys \
    && install --directory --owner=journeys --group=journeys --mode=0700 /data

WORKDIR /app
COPY pyproject.toml constraints.txt README.md ./
COPY src ./src
COPY migrations ./migrations
# Installed in place: the migrations stand beside the sources.
RUN pip install --no-cache-dir --disable-pip-version-check -c constraints.txt -e .

USER journeys
ENV JOURNEYS_DATA_DIR=/data \
    JOURNEYS_HOST=0.0.0.0 \
    JOURNEYS_PORT=8000
VOLUME /data
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=3s --start-period=60s \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen(f'http://127.0.0.1:{os.environ[\"JOURNEYS_PORT\"]}/readyz', timeout=2)"]
ENTRYPOINT ["journeys-api"]
CMD ["serve"]
