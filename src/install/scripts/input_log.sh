# shellcheck shell=sh disable=SC2034
# Sets $input_log: whether sudo keeps what it is sent on standard input (`on`, `off`, or `unknown`). Where it does, this shell's
# input is not the login's, but one that sudo made and copies it to (sudoers(5), `log_input`, `log_stdin`, `LOG_INPUT`).
find_input_log() {
  input_log=off
  [ -n "${SUDO_UID:-}" ] || return 0
  # One that is not there any more keeps nothing.
  parent=
  { read -r parent <"/proc/$PPID/comm"; } 2>/dev/null
  case $parent in
    '' | sudo*) ;;
    *) return 0 ;;
  esac
  input_log=unknown
  # root sees what sudo's own input is. Others see whose theirs is: sudo makes its own as root.
  if [ -e "/proc/$PPID/fd/0" ] && [ -e "/proc/$$/fd/0" ]; then
    input_log=on
    [ ! "/proc/$PPID/fd/0" -ef "/proc/$$/fd/0" ] || input_log=off
  elif [ "$SUDO_UID" != 0 ]; then
    case $(stat -L -c %u "/proc/$$/fd/0" 2>/dev/null) in
      "$SUDO_UID") input_log=off ;;
      0) input_log=on ;;
    esac
  fi
}
find_input_log
