# shellcheck shell=sh disable=SC2154
# Facts about the host. Settings: services, owner, group; input_log, output_log; survey (yes: nothing is touched, not even for a moment, and
# the clock is told; no: a host that is about to be changed, whose folders are tried); room (bytes that a version
# needs; not for a survey).
put ''

# A step that the controller gave up on may still be running, or the dead-man switch: the end is waited for.
if [ "$survey" = no ] && { [ "$alone" = no ] || [ -e "$switch~firing" ]; } &&
  [ -f "$lock.step" ] && command -v flock >/dev/null 2>&1 && (: <"$lock.step") 2>/dev/null; then
  exec 8<"$lock.step"
  flock -s 8
fi

# uid=0(root) gid=0(root) groups=0(root),4(adm). Where root's own are wanted, nothing else matters.
identity='uid=0(root) gid=0(root)'
if [ "${owner:-root}:${group:-root}" != root:root ] || [ ! -O /proc/sys ] || [ ! -G /proc/sys ]; then identity=$(id); fi
user=${identity#uid=}
user=${user%% gid=*}
uid=${user%%"("*}
case $user in
  *"("*)
    user=${user#*"("}
    user=${user%")"}
    ;;
esac
say "user $uid $user"
[ "$input_log:$output_log" = off:off ] || say "sudo-logs $input_log $output_log"
if [ "$survey" = yes ]; then
  # Whoever holds the lock knows.
  find_unsafe
  [ -z "$unsafe" ] || { reason "$why"; say "unsafe $unsafe"; }
  [ ! -e "$directory" ] || [ -d "$directory" ] || { reason 'it is no folder'; say "unwritable $directory"; }
  say "clock $(date +%s)"
  find_keeper
  say "keeper $keeper"
  if [ "$keeper" = system ]; then
    find_boots
    say "boots $boots"
  fi
fi

# Folders that will be written to, each once. A draft is the proof.
probed=
drafts=
probe() {
  folder=$1
  case $probed in
    *"
$folder
"*) return ;;
  esac
  probed="$probed
$folder
"
  if [ "$survey" = yes ]; then
    if [ ! -w "$folder" ]; then
      reason 'it may not be written to'
      say "unwritable $folder"
    else
      text=$( (enter_folder "$folder/") 2>&1) || { reason "$text"; say "unwritable $folder"; }
    fi
    return
  fi
  find_verdict "$folder/"
  if [ "$verdict" != closed ]; then
    # A folder, since shells open a pipe or a device that somebody planted, whatever `set -C` says.
    text=$( (enter_folder "$folder/" && mkdir "./.certwave-probe.$$" && rmdir "./.certwave-probe.$$") 2>&1) ||
      { reason "$text"; say "unwritable $folder"; }
    return
  fi
  draft=$folder/.certwave-probe.$$
  if (set -C && : >"$draft") 2>/dev/null; then
    drafts="$drafts$draft
"
  else
    text=$( (set -C && : >"$draft") 2>&1)
    reason "$text"
    say "unwritable $folder"
  fi
}
remove_drafts() {
  [ -n "$drafts" ] || return 0
  (
    set -f
    IFS='
'
    # shellcheck disable=SC2086
    rm -f $drafts
  )
}
umask 077
trap 'status=$?; remove_drafts; conclude "$status"' EXIT
trap 'exit 1' HUP INT TERM PIPE
existing=$directory
while [ ! -d "$existing" ]; do
  existing=${existing%/*}
  [ -n "$existing" ] || existing=/
done
# Among our own ones the lock is a file that can be tried; only where one looks otherwise, a draft says why. busybox's
# test takes root's right for granted, even on a read-only file system.
[ "$survey" = yes ] || { printf '' >>"$lock"; } 2>/dev/null || probe "$directory"
for folder in "$existing" "$directory/archive" "$archive" "$live_folder"; do
  [ ! -d "$folder" ] || [ -w "$folder" ] || probe "$folder"
done
# Room is tried by writing so much, where nobody else writes there. Only where it does not fit, a process tells how much
# there is.
has_room() {
  own_file "$lock.step" && printf "%${room}s" '' >>"$lock.step"
  tried=$?
  printf '' >"$lock.step"
  return "$tried"
}
if [ "$survey" = yes ] || [ "$alone" = no ] || ! has_room 2>/dev/null; then
  free=$(df -Pk "$existing")
  # The second line; its fourth word.
  read -r _ _ _ free _ <<END
${free#*
}
END
  say "free $free"
fi

# Sets $number: NAME
find_group() {
  line=$(getent group "$1" 2>/dev/null) || line=$(
    while IFS= read -r line; do
      case $line in
        "$1":*)
          printf '%s' "$line"
          exit 0
          ;;
      esac
    done </etc/group
    exit 1
  ) || return 1
  number=${line#*:*:}
  number=${number%%:*}
}
if [ -n "$owner" ] && [ "$owner" != "$user" ]; then
  if number=$(id -u "$owner" 2>/dev/null); then say "owner-number $number"; else say no-owner; fi
fi
case $group:${identity##* gid=} in
  :*) ;;
  *[!0-9]*:*"($group)"*) ;;
  *[!0-9]*:*)
    if find_group "$group"; then say "group-number $number"; else say no-group; fi
    ;;
esac
if [ "$uid" != 0 ]; then
  [ -z "$owner" ] || [ "$owner" = "$user" ] || [ "$(id -u "$owner" 2>/dev/null)" = "$uid" ] || say foreign-owner
  case " $(id -G) $(id -Gn 2>/dev/null) " in
    *" $group "*) ;;
    *) [ -z "$group" ] || say foreign-group ;;
  esac
fi

find_links
# Whose the files with a key are that stand there.
show_keys() {
  set -f
  IFS='
'
  # shellcheck disable=SC2086
  set -- $keys
  unset IFS
  set +f
  [ $# = 0 ] || stat -L -c '%u %g %a %n|%U|%G' "$@" 2>/dev/null | while IFS= read -r line; do say "key-file $line"; speak; done
}
keys=
add_key() { # PATH FILE
  case $2 in
    privkey* | combined*) [ ! -f "$1" ] || keys="$keys$1
" ;;
  esac
}
if [ "$all_ours" = no ]; then each_link add_key; fi
[ -n "$keys" ] || add_key "$live/privkey.pem" privkey
[ -n "$keys" ] || add_key "$live/combined.pem" combined
show_keys
if [ -n "$current" ]; then
  say "live ../archive/$name/$current"
elif [ -L "$live" ]; then
  say "live $(one_line "$(readlink "$live")")"
elif [ -e "$live" ]; then
  say live-occupied
fi

# Which versions are complete, all by one process.
manifests=
add_manifest() {
  [ -s "$archive/$1/.manifest" ] || return 0
  while read -r digest file; do
    manifests="$manifests$digest  $1/${file#./}
"
  done <"$archive/$1/.manifest"
}
each_version add_manifest
good=
bad=
results=
[ -z "$manifests" ] || results=$(cd "$archive" && sha256sum -c - 2>/dev/null <<END
$manifests
END
)
# Not by `read`, which takes a byte at a time.
set -f
IFS='
'
for line in $results; do
  case $line in
    *': OK') good="$good ${line%%/*}" ;;
    *) bad="$bad ${line%%/*}" ;;
  esac
done
unset IFS
set +f
say_complete() {
  case "$bad " in
    *" $1 "*) return ;;
  esac
  case "$good " in
    *" $1 "*) say "version $1" ;;
  esac
}
each_version say_complete
# Where something was installed before, nothing was missing.
if [ -z "$good" ]; then
  for tool in awk cat chmod chown cmp cp cut date df grep head id ln mkdir mv readlink rm sed sha256sum sleep stat sync tail tar touch tr; do
    command -v "$tool" >/dev/null 2>&1 || say "missing $tool"
  done
  case $(mv --help 2>&1) in
    *-T*) ;;
    *) say "missing mv -T" ;;
  esac
fi

# What a killed step left of a line is no line.
while IFS= read -r line; do
  case $line in
    [-+=\<]*) say "history $line" ;;
  esac
done 2>/dev/null <"$history"

if { read -r line <"$switch"; } 2>/dev/null; then
  find_guard "$line"
  say "armed ${line#* # } $guard"
fi
[ ! -f "$switch~fired" ] || say "fired $(one_line "$(head -n 1 "$switch~fired")")"

show_link() {
  link_state "$1" "$2"
  [ "$state" != link ] || state="link $(one_line "$leads_to")"
  say "link $state"
  case $2:$state in
    privkey*) ;;
    *:file | *:link*)
      say 'begin stands'
      leaf "$1"
      say 'end stands'
      ;;
  esac
  case $state in
    ours | other | no-folder) ;;
    *)
      parent=${1%/*}
      probe "${parent:-/}"
      ;;
  esac
}
each_link show_link
show_copy() { # PATH FILE OWNER GROUP MODE
  copy_state "$1" "$2"
  if [ "$state" = ours ] && [ -n "$3$4$5" ] && ! is_given "$1" "$3" "$4" "$5"; then state=file; fi
  say "copy $state"
  exists user "$3" || say "no-user $3"
  exists group "$4" || say "no-such-group $4"
  case $2:$state in
    cert.*:* | chain.*:* | fullchain.*:* | *:missing | *:no-folder | *:other) ;;
    *)
      case $(stat -L -c %a "$1" 2>/dev/null) in
        *[4567]) say "open-copy $1" ;;
      esac
      ;;
  esac
  case $2:$state in
    privkey* | keystore* | chain*) ;;
    *:file | *:link*)
      say 'begin stands'
      leaf "$1"
      say 'end stands'
      ;;
  esac
  if [ -d "${1%/*}/" ]; then probe "${1%/*}"; fi
}
# Whether the host has a user or group of that name; numbers need not have one. user|group NAME
exists() {
  case $1:$2 in
    *:*[!0-9]*) ;;
    *) return 0 ;;
  esac
  if [ "$1" = user ]; then
    id -u "$2" >/dev/null 2>&1
  else
    find_group "$2"
  fi
}
# Whether a file has the owner, group and mode that the playbook says: PATH OWNER GROUP MODE
is_given() {
  given=$(stat -c '%U:%u %G:%g %a' "$1") || return 1
  set -- "$2" "$3" "$4" "${given% * *}" "${given#* }" "${given##* }"
  set -- "$1" "$2" "$3" "$4" "${5% *}" "$6"
  case ":$4:" in
    *":${1:-"${4#*:}"}:"*) ;;
    *) return 1 ;;
  esac
  case ":$5:" in
    *":${2:-"${5#*:}"}:"*) ;;
    *) return 1 ;;
  esac
  [ -z "$3" ] || [ $((0$3)) = $((0$6)) ]
}
each_copy show_copy

# Where the private key comes first in a file together with the certificate, it stays there.
show_order() { # PATH FILE
  case $2 in
    combined*) ;;
    *) return ;;
  esac
  [ ! -f "$1" ] || from_place take_order "$1"
}
take_order() {
  count=0
  while IFS= read -r line && [ "$count" -lt 1000 ]; do
    count=$((count + 1))
    case $line in
      '-----BEGIN '*'PRIVATE KEY-----'*)
        say key-first
        return
        ;;
      '-----BEGIN CERTIFICATE-----'*) return ;;
    esac
  done
}
each_link show_order 2>/dev/null

show_active

for service in $services; do
  text=$(umask 022 && "service_$service" facts 2>&1 </dev/null)
  case $? in
    0)
      say "ready $service"
      show_reader "$service" "$text"
      show_listeners "$service" "$text"
      ;;
    3)
      reason "$text"
      say "down $service"
      ;;
    *)
      reason "$text"
      say "unready $service"
      ;;
  esac
done
show_reads
say result inspected
