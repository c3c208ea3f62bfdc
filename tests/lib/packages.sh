# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# shellcheck disable=SC2034 # read by the scripts that source this
# Debian packages by purpose. Sourced after progress.sh.

PACKAGES_BUILD=(gcc g++ cmake ninja-build pkg-config libc6-dev libcurl4-openssl-dev libwebsockets-dev
    libcjson-dev libssl-dev zlib1g-dev libyaml-dev)
PACKAGES_GO=(golang-go)
PACKAGES_WORLD=(ca-certificates curl openssl iproute2 nftables util-linux podman runc conmon buildah
    netavark golang-github-containers-common docker-registry busybox-static)
PACKAGES_TEST=(ccache clang-16 clang-format-16 libclang-rt-16-dev libcmocka-dev shellcheck git python3
    python3-venv jq mmdebstrap tmux)

# install_packages NAME...: asks apt only for what is missing, so that a second run is quick.
install_packages() {
    local name missing=()
    for name; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null)" = installed ] ||
            missing+=("$name")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    [ "$(id -u)" = 0 ] || die "packages are missing and only root can install them: ${missing[*]}"
    local log
    log=$(mktemp)
    _apt() {
        DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -q "$@"
    }
    # A fresh image has no lists, one that is older than a day may name files that are gone.
    if ! find /var/lib/apt/lists -name '*Packages*' -mtime -1 2>/dev/null | grep -q .; then
        during "reading the package lists" "$log" _apt update ||
            warn "some package lists could not be read"
    fi
    during "installing ${missing[*]}" "$log" _apt install -y --no-install-recommends "${missing[@]}" ||
        die "packages could not be installed: ${missing[*]}"
    rm -f "$log"
}
