# shellcheck shell=sh disable=SC2154
# Switches to a version, tests, reloads. Settings: version, whole (yes: it was staged a moment ago), linked (yes: a moment
# ago every link led into `live`, and that to the version before), previous (what to go back to; may be empty), found (what
# was live a moment ago; empty where that is not known, or is not ours), armed (the dead-man switch's
# settings; may be empty). The shell's own: services, await and fire (what the switch does), shared (what it has in
# common with this).
begin
one_at_a_time
drafted=yes
# How long a server's logs are before its reload, which writes it down.
for service in $services; do
  { own_file "$lock.logs.$service" && : >"$lock.logs.$service"; } 2>/dev/null
done

# Sets what find_links sets, where all is as it was seen: whatever came in between leads somewhere else.
still_linked() {
  [ "$linked" = yes ] && [ -n "$previous" ] && same_link "$live" "$archive/$previous" || return 1
  current=$previous
  all_ours=yes
  each_link is_linked
  [ "$all_ours" = yes ]
}
is_linked() { same_link "$1" "$live/$2" || all_ours=no; }
still_linked 2>/dev/null || find_links
leads_now=$current
if [ -z "$current" ] && { [ -e "$live" ] || [ -L "$live" ]; }; then fail live-occupied "$live"; fi
[ "$whole" = yes ] || complete "$version" || fail incomplete "$version"
# A version that nobody confirmed is live, but no version to go back to: the one before it is, also where that is the
# version that is wanted now.
case $current in
  '' | "$version" | "$previous") ;;
  "$found") [ -z "$previous" ] || current=$previous ;;
  *) ! complete "$current" || fail moved "$current" ;;
esac

# What stands at the links before the first rollout becomes a version of its own.
adopt() { # PATH FILE
  if is_shared "$1"; then
    (enter_new_draft "$1" && fetch "$1" && cp -p ./file "$2" && end_draft) || { drop_draft "$1"; return 1; }
  else
    cp -p "$1" "$2"
  fi
}
# A disk that is full is that of the archive.
unadopted() { # WHAT
  reason "$text"
  case $text in
    *'No space left'* | *'quota exceeded'* | *'File too large'*) fail unwritable "$archive" ;;
  esac
  fail unadoptable "$1"
}
keep_file() { # PATH FILE
  [ -e "$1" ] || return 0
  [ -f "$1" ] || fail occupied "$1"
  if [ -e "$partial/$2" ]; then
    same "$1" "$partial/$2" || fail occupied "$1"
    return 0
  fi
  text=$( (umask 077 && adopt "$1" "$partial/$2" && touch "$partial/$2") 2>&1) || unadopted "$1"
  case $2 in
    privkey.* | combined.* | key-first.* | keystore.*) chmod o-rwx "$partial/$2" ;;
  esac
}
if [ -z "$current" ] && [ -n "$previous" ] && ! complete "$previous"; then
  [ ! -e "$archive/$previous" ] || fail incomplete "$previous"
  rm -rf "$archive/.$previous.partial".*
  partial=$archive/.$previous.partial.$$
  text=$( (umask 077 && mkdir "$partial") 2>&1) || { reason "$text"; partial=; fail unwritable "$archive"; }
  each_link keep_file
  # What servers hold in their memory is put back from these files, too.
  adopt_copy() { # PATH FILE ...
    [ -e "$partial/$2" ] || keep_file "$1" "$2"
  }
  each_copy adopt_copy
  text=$( (umask 077 && cd "$partial" && sha256sum ./*.p* >.manifest) 2>&1) || unadopted "$previous"
  attempt seal "$previous" || { reason "$text"; fail unwritable "$archive"; }
  partial=
  flush_version "$previous"
fi
base=${current:-$previous}

# Whether a path can become a link without changing what is read there.
fits() { # PATH FILE
  link_state "$1" "$2"
  case $state in
    ours | missing) ;;
    link | file)
      if [ -e "$1" ]; then
        [ -n "$base" ] && same "$1" "$archive/$base/$2" || fail occupied "$1"
      fi
      ;;
    no-folder) fail no-folder "$1" ;;
    *) fail occupied "$1" ;;
  esac
}
each_link fits

# A copy replaces whatever file stands there.
fits_copy() { # PATH FILE ...
  find_verdict "$1"
  if [ -f "$1" ] || { [ ! -e "$1" ] && [ -d "${1%/*}/" ]; }; then return; fi
  [ -d "${1%/*}/" ] || fail no-folder "$1"
  fail occupied "$1"
}
each_copy fits_copy

# What stands at all paths is kept, but for what a step before this one put there.
of=$base
[ "$of" != "$version" ] || of=$previous
find_kept "$of"
keep_or_fail() {
  find_verdict "$1"
  text=$(keep_place "$1" 2>&1) || unadopted "$1"
}
keep_link() { # PATH FILE
  link_state "$1" "$2"
  [ "$state" = ours ] || { [ -z "$of" ] && [ "$state" = missing ]; } || keep_or_fail "$1"
}
keep_copy() { # PATH FILE ...
  if same "$1" "$archive/$version/$2"; then return; fi
  # What another step put there, which was killed or could not go back, is not what stood there either.
  if is_kept "$1" && { [ "$base" = "$version" ] ||
    { of_a_version "$1" "$2" && ! same "$1" "$archive/$of/$2"; }; }; then return; fi
  keep_or_fail "$1"
}
each_link keep_link
each_copy keep_copy
# What stood at the links counts as verified. Where there was nothing, a line says that the history began.
if [ -z "$leads_now" ] || [ ! -s "$history" ]; then
  first=-
  [ -z "$previous" ] || first=+$previous
  text=$(note "$first" 2>&1) || { reason "$text"; fail unwritable "$archive"; }
  noted=$history
fi

if [ -z "$current" ] && [ -n "$previous" ]; then
  attempt settle_live "$previous" || { reason "$text"; fail unwritable "$live_folder"; }
fi
make_link() { # PATH FILE
  link_state "$1" "$2"
  [ "$state" != ours ] || return 0
  find_verdict "$1"
  text=$( (enter_new_draft "$1" && ln -s "$live/$2" ./file && leave_draft "$1") 2>&1) ||
    { reason "$text"; fail unwritable "${1%/*}"; }
}
each_link make_link

# Back to what was there before; on a first installation, to nothing.
unlink_ours() { # PATH FILE
  link_state "$1" "$2"
  [ "$state" != ours ] || take_away "$1"
}
swap_back() {
  if [ "$base" != "$version" ] && [ -n "$base" ]; then
    settle_live "$base" && restore_places "$base"
  elif [ -n "$previous" ]; then
    settle_live "$previous" && restore_places "$previous"
  elif [ -z "$current" ]; then
    each_link unlink_ours && restore_places '' && rm -f "$live" && flush "$live_folder"
  else
    return 1
  fi
}

placing=$version
draft_or_fail() {
  text=$(draft_copy "$@" 2>&1) && return
  reason "$text"
  case $text in
    *chown:*) fail owner "$(id -un) $3:$4" ;;
  esac
  fail unwritable "${1%/*}"
}
each_copy draft_or_fail

# All that the switch of `live` needs is on disk first. In a process of its own: its umask is not that of servers.
arm() {
  # One that waits is executed from its file: that must not change.
  set --
  { read -r line <"$switch"; } 2>/dev/null && find_token "$line" && find_boot_file "$armed_token" &&
    [ -n "$boot_file" ] && set -- "$boot_file"
  for path in "$switch" "$switch~on" "$switch~fired" "$switch~firing"; do
    [ ! -e "$path" ] || set -- "$@" "$path"
  done
  [ $# = 0 ] || rm -f "$@" || return 1
  umask 077
  printf "token='%s' # %s %s\n%s\n%s\n%s\n%s\n" "$token" "$version" "$previous" "$armed" "$await" "$shared" "$fire" >"$switch" &&
    arm_for_boot &&
    flush_version "$version" "$switch" "$directory" ${noted:+"$noted"} ${boot_file:+"$boot_file" "$boot_folder"} ||
    { disarm; forget_switch; return 1; }
  start_switch </dev/null 8>&- || { disarm; forget_switch; return 1; }
}
waiting() { { read -r line <"$switch~on"; } 2>/dev/null && [ "${line% *}" = "$token" ]; }
if [ -n "$armed" ]; then
  { read -r token </proc/sys/kernel/random/uuid; } 2>/dev/null || token=$$.$(date +%s)
  # What was started here holds this output until it waits.
  text=$(arm 2>&1) || { reason "$text"; fail unarmed "$switch"; }
  case $text in
    *'no boot unit: '*) say "ends-at-reboot $(one_line "${text##*'no boot unit: '}")" ;;
  esac
  tries=0
  case $text in
    *' is not run: '*) tries=200 ;;
  esac
  until waiting; do
    tries=$((tries + 1))
    if [ "$tries" -gt 200 ]; then
      disarm
      forget_switch
      reason "its process did not start${text:+: $text}"
      fail unarmed "$switch"
    fi
    sleep 0.05 2>/dev/null || sleep 1
  done
else
  flush_version "$version" ${noted:+"$noted"}
fi

# A power failure may bring the version before back until the version is committed, which flushes it. Where there was
# none, links would lead nowhere.
switch_over() { point_live "$version" && { [ -n "$current" ] || flush "$live_folder"; }; }
if [ "$leads_now" != "$version" ]; then
  attempt switch_over || { disarm; forget_switch; reason "$text"; fail unwritable "$live_folder"; }
fi
placed=yes
place_or_note() { attempt place_copy "$1" || { placed=no; unplaced=$1; why=$text; }; }
each_copy place_or_note
if [ "$placed" = no ]; then
  if swap_back >/dev/null 2>&1; then disarm; forget_switch; fi
  reason "$why"
  fail unwritable "${unplaced%/*}"
fi
for service in $services; do
  run "$service" test && continue
  swapped=no
  if swap_back >/dev/null 2>&1; then
    swapped=yes
    disarm
    forget_switch
  fi
  show_output
  # The same test of what was there before tells whose fault it is. One that takes too long tells nothing.
  broken=no
  if ! came_to_its_end; then
    broken=unknown
  elif [ -n "$base" ] && ! run "$service" test; then
    broken=yes
    came_to_its_end || broken=unknown
  fi
  say "result refused $service $swapped $broken"
  exit 1
done
for service in $services; do
  run "$service" reload && continue
  show_output
  say "result reload-failed $service"
  exit 1
done
say result activated
