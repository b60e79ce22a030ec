# shellcheck shell=sh
# Runs tasks, each a line of standard input, one after the other until that ends. Each has a process of its own, which
# inherits neither the lock nor the controller's next words.
while IFS= read -r task; do
  (eval "$task") </dev/null 2>&1 9>&-
  printf '\ncertwave:ended %s\n' "$?"
done
