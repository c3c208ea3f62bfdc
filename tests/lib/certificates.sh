# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Test certificates with OpenSSL, P-256, ten years. Sourced; the caller sets PKI, their folder.

# ca NAME COMMON_NAME: self-signed certificate authority PKI/NAME.{crt,key}
ca() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 \
        -subj "/CN=$2" -addext basicConstraints=critical,CA:TRUE \
        -addext keyUsage=critical,keyCertSign,cRLSign,digitalSignature \
        -keyout "$PKI/$1.key" -out "$PKI/$1.crt" 2>/dev/null
}

# cert NAME CA SUBJECT [SAN]: PKI/NAME.{crt,key} for client and server, signed by CA. CA is a path
# without ending, from PKI or absolute.
cert() {
    local ca=$2 extensions
    case $ca in /*) ;; *) ca=$PKI/$ca ;; esac
    extensions=$'keyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth,clientAuth'
    [ -z "${4:-}" ] || extensions+=$'\n'"subjectAltName=$4"
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "$3" \
        -keyout "$PKI/$1.key" -out "$PKI/$1.csr" 2>/dev/null
    openssl x509 -req -in "$PKI/$1.csr" -CA "$ca.crt" -CAkey "$ca.key" -days 3650 \
        -set_serial "0x$(openssl rand -hex 8)" -extfile <(echo "$extensions") \
        -out "$PKI/$1.crt" 2>/dev/null
    rm -f "$PKI/$1.csr"
}

# kubeconfig FILE SERVER CA_FILE USER_LINE...: everything inlined, readable by its owner alone.
kubeconfig() {
    local file=$1 server=$2 ca=$3
    shift 3
    (
        umask 077
        cat >"$file" <<END
apiVersion: v1
kind: Config
current-context: default
clusters:
- name: default
  cluster:
    server: $server
    certificate-authority-data: $(base64 -w0 "$ca")
users:
- name: default
  user:
$(printf '    %s\n' "$@")
contexts:
- name: default
  context: {cluster: default, user: default}
END
    )
}

# kubeconfig_cert FILE SERVER CA_FILE NAME: for the client certificate PKI/NAME.{crt,key}
kubeconfig_cert() {
    kubeconfig "$1" "$2" "$3" "client-certificate-data: $(base64 -w0 "$PKI/$4.crt")" \
        "client-key-data: $(base64 -w0 "$PKI/$4.key")"
}
