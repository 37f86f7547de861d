# Schedule and server in one image; docs/containers.md says how it is used.
FROM python:3.11-slim-bookworm AS packages
RUN python -m venv /opt/liqheat
COPY requirements.lock .
RUN /opt/liqheat/bin/pip install --no-cache-dir --no-deps -r requirements.lock

FROM python:3.11-slim-bookworm
RUN useradd --uid 10001 --create-home liqheat && install -d -o liqheat /data
COPY --from=packages /opt/liqheat /opt/liqheat
WORKDIR /app
COPY . .
RUN /opt/liqheat/bin/pip install --no-cache-dir --no-deps --editable .
ENV PATH=/opt/liqheat/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    NUMBA_CACHE_DIR=/home/liqheat/numba \
    LIQHEAT_HOME=/data
USER liqheat
# What numba compiles is compiled here, once, instead of in the first run.
RUN LIQHEAT_HOME=/tmp/warm-up liqheat demo --days 2 > /dev/null && rm -r /tmp/warm-up
VOLUME /data
ENTRYPOINT ["liqheat"]
CMD ["schedule"]
