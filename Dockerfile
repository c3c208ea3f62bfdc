# SPDX-License-Identifier: Apache-2.0
# aci-kubelet and the libraries that it needs, nothing else: no shell, no package manager, not root.
# BASE is any Debian 12 or Ubuntu 24.04 (or newer) image; it is needed to build only.
ARG BASE=debian:12-slim
FROM ${BASE} AS build
ARG PACKAGES="ca-certificates cmake gcc libc6-dev libcjson-dev libcurl4-openssl-dev libssl-dev \
    libwebsockets-dev libyaml-dev ninja-build pkg-config zlib1g-dev"
RUN apt-get update -q \
    && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $PACKAGES
COPY . /src
WORKDIR /src
RUN cmake --preset release && cmake --build --preset release --target aci-kubelet
# The loader and every library that it resolves, the authorities that the system trusts, a user.
RUN mkdir -p -m 755 /out/usr/bin /out/etc/ssl/certs \
    && install -s build/release/aci-kubelet /out/usr/bin/aci-kubelet \
    && ldd build/release/aci-kubelet | grep -o '/[^ ]*' | sort -u \
        | xargs -I FILE cp -L --parents FILE /out \
    && cp -L /etc/ssl/certs/ca-certificates.crt /out/etc/ssl/certs/ \
    && echo 'nonroot:x:65532:65532::/:/usr/sbin/nologin' >/out/etc/passwd \
    && echo 'nonroot:x:65532:' >/out/etc/group

FROM scratch
COPY --from=build /out/ /
USER 65532:65532
EXPOSE 10250
ENTRYPOINT ["/usr/bin/aci-kubelet"]
