# shellcheck shell=sh disable=SC2034,SC2154
# The host came up before anybody confirmed the version: back to the one before, while no server runs yet.
cd /
booted=$0
armed() {
  { read -r line <"$switch"; } 2>/dev/null && [ "${line%% *}" = "token='$token'" ]
}
retries=0
# They read the disk when they start.
services=

if [ ! -d "$live_folder" ]; then
  log err "nobody confirmed $target, and $version is not put back: $live_folder is not there yet"
  exit 1
fi
if ! only_roots "$live_folder" "$archive"; then
  log err "nobody confirmed $target, and $version is not put back: others than root may write on the way to $directory"
  exit 1
fi
# One that had begun when the host went down begins again.
if [ ! -e "$switch" ] && { read -r line <"$switch~firing"; } 2>/dev/null && [ "${line%% *}" = "token='$token'" ]; then
  mv -f "$switch~firing" "$switch"
fi
# What was confirmed or undone since leaves nothing to do.
armed || { rm -f "$booted"; exit 0; }
