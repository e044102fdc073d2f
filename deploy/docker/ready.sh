#!/bin/bash
# Health check inside the image: `bash deploy/docker/ready.sh 6060` asks /ready on that port, prints the answer, and fails unless it is 200.
# Bash asks in 2 ms of CPU; a Node.js process that does the same takes 140 ms, every few seconds, in each container.
exec 3<>"/dev/tcp/127.0.0.1/$1" || exit 1
printf 'GET /ready HTTP/1.0\r\n\r\n' >&3
read -r status <&3
read -r -d '' rest <&3
printf '%s\n' "${rest##*$'\r\n\r\n'}"
[[ $status == HTTP/1.?' 200 '* ]]
