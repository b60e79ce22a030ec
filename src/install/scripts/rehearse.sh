# shellcheck shell=sh disable=SC2154
# Servers' own tests against a version that is staged aside. Settings: shadow (that version's folder), aside (the folder
# that holds all of it), test (the script that runs in a mount namespace of its own).
printf '\n'

if ! command -v unshare >/dev/null 2>&1; then
  say untested 'the host has no unshare'
elif text=$(unshare -m true 2>&1); then
  unshare -m sh -c "$test"
else
  case $text in
    *'root filesystem propagation'*) text='its root folder is no mount point, as in a chroot, so that a test cannot have mounts of its own' ;;
  esac
  say untested "$(one_line "$text")"
fi
rm -rf "$aside"
say result rehearsed
