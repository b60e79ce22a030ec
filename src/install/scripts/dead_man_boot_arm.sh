# shellcheck shell=sh disable=SC2154
# Arms a switch for the host's next boot: one file is all that a rollout writes. What the unit and its runner are is in
# $unit_text and $runner; what a switch does first at a boot, in $at_boot.

# One rename, and only where it is not there as it is: PATH TEXT
put_file() {
  ! printf '%s\n' "$2" | cmp -s - "$1" || return 0
  rm -f "$1.new" && printf '%s\n' "$2" >"$1.new" && flush "$1.new" && mv -f -T "$1.new" "$1"
}
# Once a host. The next boot reads it: systemd need not be told.
install_boot_unit() {
  # In part there, it is finished here; the link that makes it count comes last.
  (
    umask 077
    { [ -d "$boot_folder" ] || mkdir -p "$boot_folder"; } && put_file "${boot_folder%/*}/boot.sh" "$runner"
  ) && { only_roots "$boot_folder" || { echo "others than root may write on the way to $boot_folder" >&2 && false; }; } &&
    (
      umask 022
      put_file "$unit_folder/$own_unit" "$unit_text" &&
        { [ -L "$wanted" ] || { mkdir -p "${wanted%/*}" && ln -s "../$own_unit" "$wanted" && flush "${wanted%/*}"; }; }
    )
}
write_boot_file() {
  umask 077
  printf "token='%s' # %s %s\n%s\n%s\n%s\n%s\n%s\n" \
    "$token" "$version" "$previous" "$armed" "$shared" "$roots" "$at_boot" "$fire" >"$boot_file"
}
no_boot_unit() { printf 'no boot unit: %s\n' "$1"; }
# Sets $boot_file; empty where no boot unit can put this version back. A plan names why: `switch_ends_at_reboot`. What it
# could not know is printed.
arm_for_boot() {
  boot_file=
  find_keeper
  case $keeper:$token in
    *:*[!0-9a-f-]*) return 0 ;;
    system:*) ;;
    *) return 0 ;;
  esac
  find_boots
  [ "$boots" != unwritable ] || no_boot_unit "$unit_folder or /var/lib is read-only"
  [ "$boots" = unit ] || return 0
  attempt install_boot_unit || { no_boot_unit "$text"; return 0; }
  boot_file=$boot_folder/$token
  text=$(write_boot_file 2>&1) || { rm -f "$boot_file"; boot_file=; no_boot_unit "$text"; }
} 2>/dev/null
