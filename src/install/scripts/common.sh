# shellcheck shell=sh disable=SC2034,SC2154
# What every script begins with. The assignments before it (directory, name, …) come from the controller.
set -u
LC_ALL=C
PATH=${PATH:-/usr/bin:/bin}:/usr/sbin:/sbin
export LC_ALL PATH

archive=$directory/archive/$name
live_folder=$directory/live
live=$live_folder/$name
lock=$directory/.lock
switch=$directory/.dead-man.$name

# What the controller reads: lines that begin with `certwave:`, and blocks whose lines begin with `|`.
say() { printf 'certwave:%s\n' "$*"; }

block() {
  say "begin $1"
  sed 's/^/|/'
  printf '\n'
  say "end $1"
}

one_line() {
  case $1 in
    *[![:print:]]*) printf '%s' "$1" | tr '\n\r' '  ' ;;
    *) printf '%s' "$1" ;;
  esac
}

fail() {
  say "error $*"
  exit 1
}

# A tool's own words, as the reason of a failure that follows.
reason() { say "reason $(one_line "$1")"; }

# GNU's and busybox's `sync FILE` is fsync(2); older ones know only `sync`.
flush() { sync "$@" 2>/dev/null || sync; }

# The version that `live` points to; empty when it is not a link of ours.
live_version() {
  [ -L "$live" ] || return 0
  target=$(readlink "$live")
  case $target in
    "../archive/$name/"*) printf '%s' "${target##*/}" ;;
  esac
}

# A version is complete when its files are what its manifest says. The manifest is written last.
complete() {
  (cd "$archive/$1" && [ -s .manifest ] && sha256sum -c .manifest) >/dev/null 2>&1
}

versions() {
  for folder in "$archive"/[0-9]*T[0-9]*Z-*; do
    [ -d "$folder" ] && [ ! -L "$folder" ] && printf '%s\n' "${folder##*/}"
  done
  return 0
}

# What stands at a path that a server's configuration names: PATH FILE
link_state() {
  if [ -L "$1" ]; then
    if [ "$(readlink "$1")" = "$live/$2" ]; then printf 'ours'; else printf 'link'; fi
  elif [ -f "$1" ]; then
    printf 'file'
  elif [ -e "$1" ]; then
    printf 'other'
  elif [ -d "${1%/*}/" ]; then
    printf 'missing'
  else
    printf 'no-folder'
  fi
}
