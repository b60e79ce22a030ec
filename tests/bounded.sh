#!/bin/sh
# Runs a program that cargo built, as `.cargo/config.toml` says. A test program gets a bound, several times what it takes
# on two cores; past it, the program is killed and fails. Its tests that hang are those that libtest has named before
# ("has been running for over 60 seconds").
case "$*" in
  # Benchmarks, and lanes that run for as long as they are asked to.
  *\ --bench*|*\ --ignored*) exec "$@" ;;
esac
case $1 in
  */deps/live-*)
    bound=3600
    # They mostly wait: for servers, for pauses before a host is tried again, for a link to be given up.
    export RUST_TEST_THREADS="${RUST_TEST_THREADS:-$((2 * $(nproc)))}"
    ;;
  */deps/host_scripts-* | */deps/ssh-* | */deps/acme-* | */deps/lab-* | */deps/growth-*) bound=1200 ;;
  # Units, messages, properties.
  */deps/*) bound=300 ;;
  *) exec "$@" ;;
esac
# In the terminal's foreground, so that a Ctrl-C ends the tests as well.
timeout --foreground --kill-after=5 "$bound" "$@"
status=$?
if [ "$status" -eq 124 ] || [ "$status" -eq 137 ]; then
  echo "$1 was ended: it ran for $bound seconds, and so a test hangs" >&2
fi
exit "$status"
