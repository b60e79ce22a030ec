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
# A script has a shell of its own, as if by another login, which would cost sshd and sudo their processes, and which some
# hosts do not allow (`MaxSessions`). Its output is told as it is, and what it says on standard error after it. SIZE of what it
# is sent besides this line, where it has an input of its own; else 0. What it leaves of its input is no task.
attend_script() {
  { words=$(start_script "$1" 2>&1 >&8 8>&- 9>&-); status=$?; } 8>&1
  printf '\ncertwave:words\n%s\ncertwave:ended %s\n' "$words" "$status"
}
start_script() {
  [ "$1" != 0 ] || run_script
  head -c "$1" | {
    (run_script)
    status=$?
    while read -r rest; do :; done
    exit "$status"
  }
}
# A task that is killed says nothing, and may have left something that still runs.
attend() {
  case $1 in
    'run '*) (trap 'conclude "$?"' EXIT; eval "${1#run }") </dev/null 2>&1 9>&- ;;
    'take '*) (trap 'conclude "$?"' EXIT; eval "${1#take }") 2>&1 9>&- ;;
    'script '*)
      attend_script "${1#script }"
      return
      ;;
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
