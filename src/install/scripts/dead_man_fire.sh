# shellcheck shell=sh disable=SC2154
# Nobody confirmed the version: back to the one before.
begin
# Ends this switch where another is armed in its place, or somebody switched since.
look() {
  take_over
  armed || exit 0
  find_current
  case $current in
    "$target" | "$version") return ;;
  esac
  log notice "${current:-nothing of certwave} is live, and not $target, which nobody confirmed: $version is not put back"
  disarm
  exit 0
}
look
# Only one of two can rename it: this one, or who disarms it. Where the folder became read-only, nothing can be put back
# until somebody mends that.
tries=0
until mv -f "$switch" "$switch~firing" 2>/dev/null; do
  armed || exit 0
  if [ "$tries" -ge "$retries" ]; then
    log err "nobody confirmed $target, and $version was not put back: $directory cannot be written to; put it back by hand, or by certwave"
    exit 1
  elif [ "$tries" = 0 ]; then
    log err "nobody confirmed $target, and $version cannot be put back: $directory cannot be written to; this is tried again for an hour"
  fi
  tries=$((tries + 1))
  # The lock is let go, so that certwave can work on this host in the meantime.
  exec 8>&-
  sleep 30
  look
done

if [ "$(date +%s)" -ge "$until" ]; then
  result=lapsed
elif ! complete "$version"; then
  result=incomplete
elif { [ "$current" != "$version" ] && ! settle_live "$version"; } >/dev/null 2>&1 || ! restore_places "$version" >/dev/null 2>&1; then
  result=unwritable
else
  result=rolled-back
  # On a full disk this fails. The history lacks the other version then, too, since nobody confirmed it.
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
    came_to_its_end || step=${step%-failed}-hung
    eval "called=\$called_$service"
    result="$step $called"
  done
fi
case $result in
  rolled-back) log warning "nobody confirmed $target: $version was put back" ;;
  lapsed) log err "nobody confirmed $target, and $version was not put back: it has expired" ;;
  incomplete) log err "nobody confirmed $target, and $version was not put back: its files in $archive are not complete" ;;
  unwritable) log err "nobody confirmed $target, and $version was not put back: $live could not be switched" ;;
  test-failed*) log err "nobody confirmed $target: $version was put back on the disk, but $called refuses its configuration" ;;
  *-hung*) log err "nobody confirmed $target: $version was put back on the disk, but the ${result%%-*} of $called did not end" ;;
  *) log err "nobody confirmed $target: $version was put back on the disk, but $called could not be reloaded" ;;
esac
(umask 077 && printf '%s %s %s %s\n' "$(date +%s)" "$target" "$version" "$result" >"$switch~fired.new") &&
  flush "$switch~fired.new" &&
  mv -f "$switch~fired.new" "$switch~fired"
find_boot_file "$token"
rm -f "$switch~firing" "$switch~on" ${boot_file:+"$boot_file"}
