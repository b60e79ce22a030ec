# shellcheck shell=sh disable=SC2154
# Back to a version that was live before. Settings: version (to go back to), reload (yes or no), services.
begin
one_at_a_time

# Where the certificate from before the first rollout could not be kept in full, nothing was switched either: links lead into `live`, and
# copies are placed after that.
if [ "$reload" = no ] && [ ! -e "$live" ] && [ ! -L "$live" ]; then
  disarm
  forget_switch
  say result rolled-back
  exit
fi
complete "$version" || fail incomplete "$version"
if [ -e "$live" ] && [ ! -L "$live" ]; then fail live-occupied "$live"; fi
find_current
if [ "$current" != "$version" ]; then
  attempt settle_live "$version" || { reason "$text"; fail unwritable "$live_folder"; }
fi
attempt restore_places "$version" || { reason "$text"; fail unwritable "$unrestored"; }
# A full disk keeps no host from going back.
if note "=$version" 2>/dev/null; then flush "$history"; fi
[ ! -e "$switch~firing" ] || rm -f "$switch~firing"
[ "$reload" = yes ] || services=

# Every service is tried, whatever became of the one before; the first failure is the one told.
failed=
for service in $services; do
  if ! run "$service" test; then
    step=test-failed
  elif ! run "$service" reload; then
    step=reload-failed
  else
    continue
  fi
  if [ -z "$failed" ]; then
    show_output
    failed="$step $service"
  fi
done
if [ -n "$failed" ]; then
  say "result $failed"
  exit 1
fi
disarm
forget_switch
say result rolled-back
