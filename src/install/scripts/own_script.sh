# shellcheck shell=sh
# Runs the script that it is called like ($0), if nobody but root and this user can have written it. All is judged and read by one
# descriptor, in a folder whose names nobody else can change.
refuse_script() {
  printf '%s is not run: %s\n' "$0" "$1" >&2
  exit 1
}
verdict=$(judge_way '' "${0%/*}/")
case $verdict in
  closed) ;;
  *)
    told=${verdict#*"$line_end"}
    refuse_script "others can change ${told%%"$line_end"*} (${told#*"$line_end"})"
    ;;
esac
[ -f "$0" ] && [ ! -L "$0" ] && exec 7<"$0" || refuse_script 'it is no file'
# shellcheck disable=SC2046
set -- $(stat -L -c '%u %a' /proc/self/ "/proc/$$/fd/7")
case $3 in
  0 | "$1") [ $((0$4 & 18)) = 0 ] || refuse_script 'others may write to it' ;;
  *) refuse_script "it belongs to user $3" ;;
esac
set --
. "/proc/$$/fd/7"
