# shellcheck shell=sh disable=SC2154
# Envoy follows the `live` link by itself. Settings: sds (its file), sds_text (what that should say).
hook_facts() {
  folder=${sds%/*}
  if [ ! -d "${folder:-/}" ]; then
    printf 'the folder %s does not exist\n' "$folder"
    return 1
  fi
}
hook_test() { :; }

# An SDS file that is there was checked at inspection, and is not changed.
hook_reload() {
  [ ! -e "$sds" ] || return 0
  draft=${sds%/*}/.certwave-${sds##*/}
  (umask 022 && printf '%s' "$sds_text" >"$draft") && { sync "$draft" 2>/dev/null || sync; } && mv -f "$draft" "$sds"
}
