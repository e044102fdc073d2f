#!/bin/bash
# Health check in the image: `bash deploy/docker/ready.sh 6060` requests /ready on that port, prints the answer, and fails unless it is 200.
# Bash needs 2 ms of CPU, and a Node.js process 140 ms, every few seconds, in each container: so only a port that speaks TLS is asked by one.
# Where clients must show a certificate (api.tlsClientCa), READY_CERT_FILE and READY_KEY_FILE name one for this.

# A plain request to a port with TLS is counted as refused: one is enough to know.
known=${TMPDIR:-/tmp}/ready-$1.tls

over_tls() {
  # It asks this container and sends no secret: the name in the certificate is another one, and nobody else can answer.
  node -e '
    const { READY_CERT_FILE, READY_KEY_FILE } = process.env
    const read = (path) => (path ? require("node:fs").readFileSync(path) : undefined)
    const options = { port: process.argv[1], host: "127.0.0.1", path: "/ready", rejectUnauthorized: false }
    const files = { cert: read(READY_CERT_FILE), key: read(READY_KEY_FILE) }
    require("node:https").get({ ...options, ...files }, (answer) => {
      process.exitCode = answer.statusCode === 200 ? 0 : 1
      answer.pipe(process.stdout)
    }).on("error", ({ message }) => {
      console.log(message)
      process.exitCode = 2
    })' "$1"
  local code=$?
  # Where nothing answers so, it may speak plain HTTP by now.
  if ((code == 2)); then rm -f "$known"; else touch "$known"; fi
  exit $((code > 0))
}

[[ -e $known ]] && over_tls "$1"
exec 3<>"/dev/tcp/127.0.0.1/$1" || exit 1
printf 'GET /ready HTTP/1.0\r\n\r\n' >&3
read -r status <&3
read -r -d '' rest <&3
[[ $status == HTTP/1.?' 400 '* && $rest == *https://* ]] && over_tls "$1"
printf '%s\n' "${rest##*$'\r\n\r\n'}"
[[ $status == HTTP/1.?' 200 '* ]]
