# shellcheck shell=sh disable=SC2034,SC2154
# Whether a switch can outlive a reboot. Settings: boot_unit (yes or no). Sets $boots: `unit`, by the boot unit; else why
# not: `off`, the playbook says so; `masked`, the host's administrator does; `unsafe`, others than root may write on the way
# to what the unit reads; `unwritable`.
find_boots() {
  boots=unit
  existing=$live_folder
  while [ ! -d "$existing" ]; do
    existing=${existing%/*}
    [ -n "$existing" ] || existing=/
  done
  if [ "$boot_unit" = no ]; then
    boots=off
  elif [ -L "$unit_folder/$own_unit" ]; then
    boots=masked
  elif ! only_roots "$unit_folder" /var/lib "$existing"; then
    boots=unsafe
  elif [ ! -w "$unit_folder" ] || [ ! -w /var/lib ]; then
    boots=unwritable
  fi
}
