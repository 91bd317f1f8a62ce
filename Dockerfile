# One image for every process. It runs `web`; the other commands stand in the Procfile.
FROM python:3.11-slim

# The clients of the language models trust the system's certificates.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 10001 draftloom \
    && install --directory --owner draftloom --mode 0700 /data

WORKDIR /app
COPY requirements.lock ./
RUN pip install --no-cache-dir --require-hashes -r requirements.lock
COPY . .

# Uploaded archives stand there for a day; the processes `web`, `bulk` and `worker` share it.
VOLUME /data
ENV APP_ENV=production DATA_DIR=/data PORT=8000 PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER draftloom
EXPOSE 8000
CMD ["sh", "-c", "exec python -m uvicorn config.asgi:application --host 0.0.0.0 --port $PORT --proxy-headers --forwarded-allow-ips '*' --no-access-log --no-server-header --timeout-graceful-shutdown 20"]
