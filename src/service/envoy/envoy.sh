# shellcheck shell=sh disable=SC2154
# Envoy follows the `live` link by itself. Settings: sds (its file), sds_text (what that should say); of a second
# secret second_sds and second_sds_text, else empty.
hook_facts() {
  for path in "$sds" "$second_sds"; do
    folder=${path%/*}
    if [ -n "$path" ] && [ ! -d "${folder:-/}" ]; then
      printf 'the folder %s does not exist\n' "$folder"
      return 1
    fi
  done
  # Where several run, nothing tells which of them this one is.
  reader=
  for process in /proc/[0-9]*; do
    { read -r program <"$process/comm"; } 2>/dev/null || continue
    # One in a container is another host's.
    if [ "$program" = envoy ] && [ "$process/root/" -ef / ]; then reader="$reader ${process#/proc/}"; fi
  done
  printf '%s\n' "${reader# }"
}
hook_test() { :; }
hook_words() {
  hook_facts >/dev/null || return 0
  find_unit "${reader##* }"
  show_journal
}

# An SDS file that is there was checked at inspection, and is not changed: PATH TEXT
write_missing() {
  # What a killed step left.
  [ -z "$1" ] || drop_draft "$1"
  if [ -z "$1" ] || [ -e "$1" ]; then return 0; fi
  find_verdict "$1"
  (enter_new_draft "$1" && write_for_all "$2" && flush ./file && leave_draft "$1")
}
write_for_all() { (umask 022 && printf '%s' "$1" >./file); }
hook_reload() { write_missing "$sds" "$sds_text" && write_missing "$second_sds" "$second_sds_text"; }
