# shellcheck shell=sh disable=SC2154
# Nobody confirmed the version: back to the one before.
begin
one_at_a_time
armed || exit 0
find_current
case $current in
  "$target" | "$version") ;;
  *)
    disarm
    exit 0
    ;;
esac
# Only one of two can rename it: this one, or who disarms it.
mv -f "$switch" "$switch~firing" 2>/dev/null || exit 0

if [ "$(date +%s)" -ge "$until" ]; then
  result=lapsed
elif ! complete "$version"; then
  result=incomplete
elif [ "$current" != "$version" ] && ! settle_live "$version" >/dev/null 2>&1; then
  result=unwritable
else
  result=rolled-back
  # Where it cannot be written down, the version that was live is not in it either.
  note "=$version" && flush "$history"
  for service in $services; do
    if ! run "$service" test; then
      step=test-failed
    elif ! run "$service" undo; then
      step=reload-failed
    else
      continue
    fi
    [ "$result" = rolled-back ] || continue
    eval "called=\$called_$service"
    result="$step $called"
  done
fi
(umask 077 && printf '%s %s %s %s\n' "$(date +%s)" "$target" "$version" "$result" >"$switch~fired.new") &&
  flush "$switch~fired.new" &&
  mv -f "$switch~fired.new" "$switch~fired"
rm -f "$switch~firing" "$switch~on"
