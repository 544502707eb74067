# The sidecar's image. What runs has no package manager of Python's, no compiler and no root.

FROM python:3.13-slim AS build
WORKDIR /src

# The build backend has an environment of its own, which stays behind.
COPY requirements/build.txt requirements/aws.txt requirements/
RUN python -m venv /build \
    && /build/bin/python -m pip install --no-cache-dir --require-hashes -r requirements/build.txt \
    && python -m venv --without-pip /opt/fluent-sidecar \
    && /build/bin/python -m pip --python /opt/fluent-sidecar/bin/python install \
        --no-cache-dir --no-compile --require-hashes -r requirements/aws.txt

COPY pyproject.toml README.md LICENSE ./
COPY examples/scenarios/ examples/scenarios/
COPY fluentbit/ fluentbit/
COPY sidecar/ sidecar/
RUN /build/bin/python -m pip wheel --no-cache-dir --no-deps --no-build-isolation -w dist . \
    && /build/bin/python -m pip --python /opt/fluent-sidecar/bin/python install \
        --no-cache-dir --no-compile --no-deps dist/*.whl

# What the Kubernetes client brings along and nothing here imports goes: its asyncio half with the HTTP library of that.
# So does what botocore knows of any AWS service but the two that are asked, and the libraries' own tests.
# Byte code is compiled once, since a pod can't write it, and without time stamps, so that builds are alike; but not the
# Kubernetes client's (22 MB), which no pod loads: it is for a kubeconfig, and starts a few seconds slower for it.
RUN site=$(/opt/fluent-sidecar/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))') \
    && /build/bin/python -m pip --python /opt/fluent-sidecar/bin/python uninstall --yes --quiet \
        aiohttp aiohttp-retry aiohappyeyeballs aiosignal attrs frozenlist multidict propcache yarl \
    && rm -rf "$site/kubernetes/aio" \
    && find "$site/botocore/data" -mindepth 1 -maxdepth 1 -type d ! -name ssm ! -name sts -exec rm -rf {} + \
    && find "$site" -type d \( -name tests -o -name test \) -prune -exec rm -rf {} + \
    && /opt/fluent-sidecar/bin/python -m compileall -q --invalidation-mode unchecked-hash -x /kubernetes/ "$site" \
    && PYTHONDONTWRITEBYTECODE=1 /opt/fluent-sidecar/bin/python -c 'import botocore.session, kubernetes.client, kubernetes.config, prometheus_client, sidecar.opensearch' \
    && /opt/fluent-sidecar/bin/sidecar --help >/dev/null


FROM python:3.13-slim
ARG VERSION=dev
ARG REVISION=unknown
LABEL org.opencontainers.image.title="fluent-sidecar" \
      org.opencontainers.image.description="Kubernetes events and pod logs in OpenSearch exactly once: a sidecar for Fluent Bit" \
      org.opencontainers.image.source="https://github.com/fluent-sidecar/fluent-sidecar" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"

RUN python -m pip uninstall --yes --quiet --root-user-action=ignore pip \
    && rm -rf /usr/local/bin/pip* /usr/local/lib/python3*/ensurepip /usr/lib/python3*/ensurepip
COPY --from=build /opt/fluent-sidecar /opt/fluent-sidecar

ENV PATH="/opt/fluent-sidecar/bin:${PATH}" \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 65532:65532
WORKDIR /
ENTRYPOINT ["sidecar"]
CMD ["run", "-c", "/etc/fluent-sidecar/pipeline.yaml"]
