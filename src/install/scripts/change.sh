# shellcheck shell=sh disable=SC2034,SC2154
# What every script begins with that changes something.
cleanup() {
  [ -z "$unread" ] || head -c "$unread" >/dev/null
  [ -z "$partial$apart" ] || rm -rf ${partial:+"$partial"} ${link:+"$link"} ${apart:+"$apart"}
  [ "$drafted" = no ] || { each_link drop_draft; each_copy drop_draft; }
}
begin() {
  drafted=no
  partial=
  link=
  apart=
  unread=
  shut=077
  disarmed=no
  noted=
  trap 'status=$?; cleanup; conclude "$status"' EXIT
  # A lost controller must not stop a step half-way: what was begun is brought to its end.
  trap '' HUP PIPE
}

# One step at a time, even when the controller gave up on the one before and that one still runs. Nothing that waits
# for the controller comes after it: a link may be lost without a word, and the next step would wait for it, too.
one_at_a_time() {
  own_file "$lock.step" 2>/dev/null || return 0
  exec 8>>"$lock.step"
  if command -v flock >/dev/null 2>&1; then
    flock 8
  fi
  note_step
}
# Writes down which process this step is; `bounded` adds the commands that it runs. Whoever has to end a step knows it by that, and
# by its number 8, which is the lock's file.
note_step() {
  begun=$lock.running
  { own_file "$begun" && find_born self && printf '%s %s %s\n' "$me" "$born" "$name" >"$begun"; } 2>/dev/null || begun=
}

# Makes `live` point to a version, in one rename(2). busybox's `ln -sfn` would unlink it first. The link mostly came
# together with the version.
point_live() { # VERSION
  new=$live_folder/.$name~$1
  [ -d "$live_folder" ] || (umask 022 && mkdir -p "$live_folder") || return 1
  same_link "$new" "$archive/$1" 2>/dev/null || {
    { { [ ! -e "$new" ] && [ ! -L "$new" ]; } || rm -f "$new"; } && ln -s "../archive/$name/$1" "$new"
  } || return 1
  # A tar that nobody waits for any more may have put a file there that is to become a link.
  mv -f -T "$new" "$live" && [ -L "$live" ]
}
same_link() { [ -L "$1" ] && [ "$1" -ef "$2" ]; }
# The same, whatever power failure comes.
settle_live() { point_live "$1" && flush "$live_folder"; }

# Turns the finished folder $partial, which was made with umask $shut, into a version, in one rename. It is to be flushed
# before `live` points there: what a power failure leaves of it until then does not fit its manifest.
seal() {
  { [ "$shut" = 022 ] || chmod 0755 "$partial"; } &&
    mv -f -T "$partial" "$archive/$1" &&
    partial=
}
flush_version() { # VERSION [PATH...]
  folder=$archive/$1
  shift
  flush "$folder"/*.p* "$folder/.manifest" "$folder" "$archive" "$@"
}

# Adds a line to the history. It begins with a line's end: a power failure may have cut the line before.
note() { # +VERSION, =VERSION, <VERSION or -
  own_file "$history" && printf '\n%s\n' "$1" >>"$history"
}

# A service's test or reload: INDEX STEP. What it says goes to $output, a file and not a pipe, since
# a command that starts a daemon would hold a pipe open for ever.
run() {
  output=$lock.step
  own_file "$output" 2>/dev/null || output=/dev/null
  (
    trap - HUP PIPE
    exec 8>&-
    "service_$1" "$2"
  ) >"$output" 2>&1 </dev/null
  ended=$?
  [ "$ended" = 0 ] || [ -s "$output" ] || printf 'it ended with %s and printed nothing\n' "$ended" >>"$output"
  return "$ended"
}
# Whether what was run last came to its end by itself.
came_to_its_end() {
  case $(tail -n 1 "$output") in
    'gave up after '*) return 1 ;;
  esac
}

show_output() {
  speak
  tail -n 20 "$output" | block output
}

# Nobody has to confirm any more. Only one of two can take the switch away: this one, or the one that fires. The same
# process removes the other paths, after the switch.
disarm() { # [PATH...]
  [ -e "$switch" ] || return 0
  boot_file=
  { read -r line <"$switch"; } 2>/dev/null && find_token "$line" && find_boot_file "$armed_token"
  rm -r "$switch" ${boot_file:+"$boot_file"} "$@" 2>/dev/null || { [ ! -e "$switch" ]; return; }
  disarmed=yes
  flush "$directory" "$live_folder" ${noted:+"$noted"}
}
# What is left of a switch that was disarmed.
forget_switch() { [ "$disarmed" = no ] || rm -f "$switch~on"; }
