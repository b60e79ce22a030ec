# shellcheck shell=sh disable=SC2154
# HAProxy, as far as its disk goes; its memory is changed through its sockets. Settings: binary, config,
# test_command, reload_command, crt_list (a file that names the certificates; each may be empty), certificates
# (one a line), patience (seconds); for the host alone: undo_command, master_socket (one of them is empty).
hook_facts() {
  if [ -z "$test_command" ] && [ ! -x "$binary" ]; then
    if [ -e "$binary" ]; then printf '%s is not executable\n' "$binary"; else printf '%s does not exist\n' "$binary"; fi
    return 1
  fi
  if [ -z "$test_command" ] && [ ! -r "$config" ]; then
    printf 'the configuration %s is not readable: name it with `config:`, or give a `test:` of your own\n' "$config"
    return 1
  fi
  if [ -n "$crt_list" ] && [ ! -e "$crt_list" ]; then
    printf 'the crt-list %s does not exist\n' "$crt_list"
    return 1
  fi
  find_reader
  printf '%s\n' "$reader"
}

# Sets $running: each process that runs this configuration, as `PROCESS:PARENT`.
find_running() {
  running=
  for process in /proc/[0-9]*; do
    { read -r line <"$process/comm"; } 2>/dev/null || continue
    case $line in
      haproxy*) ;;
      *) continue ;;
    esac
    case $({ tr '\0' ' ' <"$process/cmdline"; } 2>/dev/null) in
      *" $config "*)
        { read -r line <"$process/stat"; } 2>/dev/null || continue
        line=${line##*") "? }
        running="$running ${process#/proc/}:${line%% *}"
        ;;
    esac
  done
}
# Sets $master: the one that has a child that runs it, too.
find_master() {
  find_running
  master=
  for one in $running; do
    case "$running " in
      *":${one%:*} "*) [ -n "$master" ] || master=${one%:*} ;;
    esac
  done
}
# How many old workers still have connections: a master has one that takes new ones.
hook_old() {
  looks=0
  while :; do
    find_master
    [ -n "$master" ] || return 0
    count=-1
    for one in $running; do
      [ "${one#*:}" != "$master" ] || count=$((count + 1))
    done
    [ "$settle" = yes ] && [ "$count" -gt 0 ] && [ "$looks" -lt 4 ] || break
    looks=$((looks + 1))
    sleep 0.1 2>/dev/null || sleep 1
  done
  [ "$count" -lt 0 ] || printf '%s\n' "$count"
}
# What its unit's journal has since the switch.
hook_words() {
  find_master
  set -f
  # shellcheck disable=SC2086
  set -- ${master:-$running} ''
  set +f
  find_unit "${1%%:*}"
  [ -n "$unit" ] || find_named_unit "$reload_command$undo_command"
  show_journal
}
# Sets $reader: the process whose user reads the certificates. A process without a master may have been root when it did,
# unless its configuration names no other user.
find_reader() {
  find_master
  reader=$master
  set -f
  # shellcheck disable=SC2086
  set -- $running
  set +f
  [ $# = 1 ] && [ -r "$config" ] || return 0
  grep -qE '^[[:blank:]]*(user|uid|chroot)[[:blank:]]' "$config" || reader=${1%:*}
}

# A crt-list names exactly those of our certificates that are there: HAProxy would not start with another.
# A folder as crt-list needs no lines.
list_certificates() {
  [ -z "${rehearsal:-}" ] || return 0
  [ -n "$crt_list" ] && [ -f "$crt_list" ] || return 0
  # What a killed step left.
  drop_draft "$crt_list"
  if ! is_shared "$crt_list" && is_listed "$crt_list"; then return 0; fi
  (
    enter_new_draft "$crt_list" && fetch "$crt_list" || exit
    if is_listed ./file; then end_draft; else list_in_draft && flush ./file && leave_draft "$crt_list"; fi
  )
}
# Whether a list is as it should be: LIST
is_listed() {
  while read -r path; do
    [ -z "$path" ] || { if [ -e "$path" ]; then names_it "$1"; else ! names_it "$1"; fi; } || return 1
  done <<CERTIFICATES
$certificates
CERTIFICATES
}
# By its environment: after `-v`, an awk reads a backslash as the beginning of an escape. LIST
names_it() { path=$path awk '$1 == ENVIRON["path"] { found = 1 } END { exit !found }' "$1"; }
list_in_draft() {
  while read -r path; do
    [ -n "$path" ] || continue
    if names_it ./file; then listed=yes; else listed=; fi
    if [ -e "$path" ] && [ -z "$listed" ]; then
      # The last line may lack its end.
      [ -z "$(tail -c 1 ./file)" ] || printf '\n' >>./file
      printf '%s\n' "$path" >>./file || return 1
    elif [ ! -e "$path" ] && [ -n "$listed" ]; then
      path=$path awk '$1 != ENVIRON["path"]' ./file >./other && cat ./other >./file || return 1
    fi
  done <<CERTIFICATES
$certificates
CERTIFICATES
}

hook_test() { list_certificates && check_config; }

check_config() {
  if [ -n "$test_command" ]; then
    bounded sh -c "$test_command"
  else
    bounded "$binary" -c -f "$config" </dev/null
  fi
}

hook_reload() { [ -z "$reload_command" ] || bounded sh -c "$reload_command"; }

# Where no controller speaks to its sockets: a reload takes what is on the disk.
hook_undo() {
  if [ -n "$undo_command" ]; then
    bounded sh -c "$undo_command"
  elif said=$(printf 'reload\n' | relay 2>&1); then
    case $said in
      *Success=0*)
        printf '%s\n' "$said"
        return 1
        ;;
    esac
  else
    signal_master || { printf '%s\n' "$said"; return 1; }
  fi
}
relay() { (socket=$master_socket; carry); }

# The master re-executes itself on SIGUSR2.
signal_master() {
  find_master
  if [ -n "$master" ]; then kill -USR2 "$master" && return 0; fi
  printf 'no master process of haproxy runs %s\n' "$config"
  return 1
}
