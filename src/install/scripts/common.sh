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
# Which versions were verified on this host: `+VERSION` when one was made final, `=VERSION` when the host went back to it,
# `<VERSION` when it was sent back to it from the one that had been made final.
# `-` says that there was nothing before the first rollout.
history=$archive/.history
# What belongs to it is named after it and `~`, which is in no certificate's name: one may begin as another does.
switch=$directory/.dead-man.$name

# What the controller reads: lines that begin with `certwave:`, and blocks whose lines begin with `|`.
say() { put "certwave:$*"; }
# At once, unless the shell that attends the host keeps it until it has to `speak`, or for the task's end.
put() { printf '%s\n' "$1"; }
speak() { :; }
# The last thing that a script does, by its trap: STATUS.
conclude() { :; }

block() {
  say "begin $1"
  speak
  sed 's/^/|/'
  printf '\n'
  say "end $1"
  speak
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

# Runs COMMAND. If it fails, its words are $text: for those it is run once more, since to catch them takes a process.
attempt() { "$@" >/dev/null 2>&1 || text=$("$@" 2>&1); }

# GNU's and busybox's `sync FILE` is fsync(2); older ones know only `sync`.
flush() { sync "$@" 2>/dev/null || sync; }

# Makes sure of a file that nobody else may read and that can be written to, by a process only where it is not there yet.
own_file() { { [ -f "$1" ] && printf '' >>"$1"; } 2>/dev/null || (umask 077 && : >>"$1"); }

# Processes are what a host's share of a rollout costs: functions that are called often set a variable instead of
# printing what the caller would catch in one more process.

# Sets $current: the version that `live` points to; empty when it is not a link of ours.
find_current() {
  current=
  [ -L "$live" ] || return 0
  current=$(readlink "$live")
  own_version "$current"
}
own_version() { # TEXT OF A LINK
  current=
  case $1 in
    "../archive/$name/"*) current=${1##*/} ;;
  esac
}

# Sets $born: a process's start time, which tells it from a later process with the same number, and $pgid, its process
# group. PROCESS, or `self`: this very process, also in a subshell; then $me is its number.
find_born() {
  born=
  pgid=
  { read -r line <"/proc/$1/stat"; } 2>/dev/null || return 0
  me=${line%% *}
  # shellcheck disable=SC2086
  set -- ${line##*") "}
  pgid=$3
  born=${20}
}

# A version is complete when its files are what its manifest says. The manifest is written last.
complete() {
  [ -s "$archive/$1/.manifest" ] && (cd "$archive/$1" && sha256sum -c .manifest) >/dev/null 2>&1
}

# Calls COMMAND with each version's name.
each_version() {
  for folder in "$archive"/[0-9]*T[0-9]*Z-*; do
    if [ -d "$folder" ] && [ ! -L "$folder" ]; then "$1" "${folder##*/}"; fi
  done
}

# Sets $current, and $all_ours (yes or no): whether every link leads into `live`. Both by one process where the host's
# readlink takes several paths.
find_links() {
  texts=$(read_links 2>/dev/null)
  own_version "${texts%"$own_links"}"
  all_ours=yes
  if [ -z "$current" ] || [ "$texts" != "../archive/$name/$current$own_links" ]; then
    all_ours=no
    find_current
  fi
}

# What stands at a path that a server's configuration names: PATH FILE. Sets $state, and
# $leads_to of a link that is not ours.
link_state() {
  state=ours
  [ "$all_ours" = no ] || return 0
  if [ -L "$1" ]; then
    leads_to=$(readlink "$1")
    [ "$leads_to" = "$live/$2" ] || state=link
  elif [ -f "$1" ]; then
    state=file
  elif [ -e "$1" ]; then
    state=other
  elif [ -d "${1%/*}/" ]; then
    state=missing
  else
    state=no-folder
  fi
}
