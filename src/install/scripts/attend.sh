# shellcheck shell=sh
# Runs tasks, each a line of standard input, one after the other until that ends. Each has a process of its own, which
# does not inherit the lock. What a task is sent follows its line, and may hold a key: what is no task is neither run
# nor shown.
while IFS= read -r task; do
  case $task in
    'run '*) (eval "${task#run }") </dev/null 2>&1 9>&- ;;
    'take '*) (eval "${task#take }") 2>&1 9>&- ;;
    *) exit 1 ;;
  esac
  printf '\ncertwave:ended %s\n' "$?"
done
# What follows need not wait for a task of this one.
: >"$lock"
