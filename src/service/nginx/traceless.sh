# shellcheck shell=sh disable=SC2154
# nginx that only reads its configuration: what it makes all the same is removed again.
# What a test of the configuration would make: nginx makes the pid file, logs and folders of temporary files and caches that are not
# there, whatever it is asked to test. Prints them, one a line, as far as the files say without a variable.
find_missing() {
  main_config
  files=$main
  makes=$("$binary" -V 2>&1 | tr ' ' '\n' | sed -n 's/^--[a-z-]*-path=//p')$newline
  rounds=0
  while [ "$rounds" -lt 20 ]; do
    rounds=$((rounds + 1))
    named=$(printf '%s\n' "$files" | awk '
      function tell(kind, text) {
        sub(/^[ \t]+/, "", text)
        if (text ~ /^["\047]/) {
          quote = substr(text, 1, 1)
          text = substr(text, 2)
          sub(quote ".*", "", text)
        } else sub(/[ \t].*/, "", text)
        if (text != "" && !index(text, "$")) print kind, text
      }
      {
        file = $0
        text = ""
        while ((getline line < file) > 0) {
          sub(/(^|[ \t])#.*/, "", line)
          gsub(/[{};]/, "\n&\n", line)
          count = split(line, part, "\n")
          for (i = 1; i <= count; i++) {
            if (part[i] !~ /^[{};]$/) { text = text " " part[i]; continue }
            if (part[i] == ";") {
              gsub(/^[ \t]+/, "", text)
              if (sub(/^include[ \t]/, "", text)) tell("include", text)
              else if (sub(/^(pid|error_log|access_log|[a-z_]+_temp_path|[a-z]+_cache_path)[ \t]/, "", text)) tell("makes", text)
            }
            text = ""
          }
        }
        close(file)
      }
    ')
    before=$files
    files=$main
    IFS=$newline
    for pattern in $(printf '%s\n' "$named" | sed -n 's/^include //p'); do
      case $pattern in
        /*) ;;
        *) pattern=${main%/*}/$pattern ;;
      esac
      for file in $pattern; do files=$files$newline$file; done
    done
    unset IFS
    [ "$files" != "$before" ] || break
  done
  set -f
  IFS=$newline
  for path in $makes$(printf '%s\n' "$named" | sed -n 's/^makes //p'); do
    unset IFS
    absolute "$path"
    [ -e "$path" ] || printf '%s\n' "$path"
  done
  set +f
}

# nginx, of which nothing stays that was not there. What a process has open by now is not ours.
traceless() { # ARGUMENTS
  missing=$(find_missing)
  nginx "$@"
  tested=$?
  [ -n "$missing" ] || return "$tested"
  set -f
  IFS=$newline
  # Folders may stand in each other.
  for path in $missing $missing; do
    unset IFS
    if [ -d "$path" ]; then
      rmdir "$path"
    elif [ -f "$path" ] && [ ! -s "$path" ]; then
      set +f
      ! is_open "$path" || continue
      path=$(readlink -f "$path") && rm -f "$path"
    fi
  done 2>/dev/null
  unset IFS
  set +f
  return "$tested"
}
is_open() { # PATH
  for fd in /proc/[0-9]*/fd/*; do
    [ ! "$fd" -ef "$1" ] || return 0
  done
  return 1
}
# Where the host is only looked at. A rollout's own test comes later, and makes the same.
looking() {
  if [ "${survey:-no}" = yes ]; then traceless "$@"; else nginx "$@"; fi
}
