# shellcheck shell=sh disable=SC2154
# Anything with a command. Settings: test_command (may be empty), reload_command, patience (seconds).
hook_facts() { :; }
hook_test() { [ -z "$test_command" ] || bounded sh -c "$test_command"; }
hook_reload() { bounded sh -c "$reload_command"; }
# Of a unit that the command names.
hook_words() {
  find_named_unit "$reload_command"
  show_journal
}

# Of Dovecot, whether a reload ends the sessions of its clients.
hook_reads() {
  case $reload_command in
    *doveadm*reload* | *reload*dovecot*) ;;
    *) return 0 ;;
  esac
  program=doveconf
  config=
  before=
  set -f
  for word in $reload_command; do
    case $before:$word in
      -c:*) config=$word ;;
      *:*/doveadm) program=${word%doveadm}doveconf ;;
    esac
    before=$word
  done
  set +f
  case $(bounded "$program" ${config:+-c "$config"} -h shutdown_clients 2>/dev/null) in
    yes) echo 'setting shutdown_clients yes' ;;
  esac
}
