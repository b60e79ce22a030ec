# shellcheck shell=sh disable=SC2154
# Anything with a command. Settings: test_command (may be empty), reload_command, patience (seconds).
hook_facts() { :; }
hook_test() { [ -z "$test_command" ] || bounded sh -c "$test_command"; }
hook_reload() { bounded sh -c "$reload_command"; }
