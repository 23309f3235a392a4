#!/bin/sh
# Prints a line every two seconds until it is told to stop.
name=${1:-worker}
trap 'echo "$name stops"; exit 0' TERM

n=0
while :; do
    n=$((n + 1))
    echo "$name: job $n done"
    sleep 2 &
    wait $! # unlike a plain `sleep 2`, `wait` lets the trap run at once
done
