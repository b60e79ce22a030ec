# shellcheck shell=sh disable=SC2154
# Runs tasks, the first one (may be empty) and then each line of standard input, one after the other until that ends.
# Each has a process of its own, which does not inherit the lock. What a task is sent follows its line, and may hold a
# key: what is no task is neither run nor shown. Setting: first.
#
# What a task says goes out at its end, together with that: each line by itself would wake sshd, and the controller.
said=
put() {
  said="$said$1
"
}
speak() {
  [ -z "$said" ] || printf '%s' "$said"
  said=
}
# To the shell it says no more than whether nothing of an earlier connection can be under way any more.
over=0
conclude() {
  printf '%s\ncertwave:ended %s\n' "$said" "$1"
  exit "$over"
}
# A task that is killed says nothing, and may have left something that still runs.
attend() {
  case $1 in
    'run '*) (trap 'conclude "$?"' EXIT; eval "${1#run }") </dev/null 2>&1 9>&- ;;
    'take '*) (trap 'conclude "$?"' EXIT; eval "${1#take }") 2>&1 9>&- ;;
    *) exit 1 ;;
  esac
  status=$?
  case $status in
    0) ;;
    3) alone=yes ;;
    *)
      printf '\ncertwave:ended %s\n' "$status"
      alone=no
      ;;
  esac
}
[ -z "$first" ] || attend "$first"
while IFS= read -r task; do attend "$task"; done
# What follows need not wait for a task of this one, nor of an earlier one.
[ "$alone" = no ] || : >"$lock"
