# shellcheck shell=sh disable=SC2034
# Sets $input_log and $output_log: whether sudo keeps what comes on standard input, and on standard output (`on`, `off`, or
# `unknown`). Where it does, this shell's stream is not the login's, but one that sudo made and copies it through (sudoers(5),
# `log_input`, `log_stdin`, `LOG_INPUT`; `log_output`, `log_stdout`, `LOG_OUTPUT`).
find_sudo_logs() {
  input_log=off
  output_log=off
  [ -n "${SUDO_UID:-}" ] || return 0
  # One that is not there any more keeps nothing.
  parent=
  { read -r parent <"/proc/$PPID/comm"; } 2>/dev/null
  case $parent in
    '' | sudo*) ;;
    *) return 0 ;;
  esac
  find_copied 0
  input_log=$copied
  find_copied 1
  output_log=$copied
}
# root sees what sudo's own stream is. Others see whose theirs is: sudo makes its own as root. NUMBER
find_copied() {
  copied=unknown
  if [ -e "/proc/$PPID/fd/$1" ] && [ -e "/proc/$$/fd/$1" ]; then
    copied=on
    [ ! "/proc/$PPID/fd/$1" -ef "/proc/$$/fd/$1" ] || copied=off
  elif [ "$SUDO_UID" != 0 ]; then
    case $(stat -L -c %u "/proc/$$/fd/$1" 2>/dev/null) in
      "$SUDO_UID") copied=off ;;
      0) copied=on ;;
    esac
  fi
}
find_sudo_logs
