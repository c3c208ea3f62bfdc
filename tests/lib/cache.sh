# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Where built things are kept between runs: outside the work tree. Sourced.

cache_root() { echo "${XDG_CACHE_HOME:-$HOME/.cache}/aci-kubelet"; }
