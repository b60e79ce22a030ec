# shellcheck shell=sh disable=SC2154
# Waits, detached from whoever armed it. The line before the first one says which switch this is; another one in
# its place, or none, means that it is disarmed. Settings: token, target, version (to go back to), until (its end,
# seconds since 1970), seconds (to wait). What comes after this is read only if it fires.
trap '' HUP PIPE
cd /
switch=$0

armed() {
  { read -r line <"$switch"; } 2>/dev/null && [ "${line%% *}" = "token='$token'" ]
}
umask 077
printf '%s %s\n' "$token" "$$" >"$switch~on" || exit 1
# As systemd starts it, and servers expect it; not that of whoever armed it.
umask 022
# Who armed it waits until this is closed.
exec >/dev/null 2>&1
# So often, a folder that cannot be written to is tried again.
retries=120
booted=
left=$seconds
nap=2
while armed && [ "$left" -gt 0 ]; do
  [ "$left" -ge "$nap" ] || nap=$left
  sleep "$nap"
  left=$((left - nap))
done
armed || exit 0
