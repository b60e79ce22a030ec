#!/bin/sh
# Rolls out the newest certificate of every playbook, and renews it first where that is due. A host that serves it
# already is only verified. A timer runs this script: see the other files in this folder. It ends with the exit code of
# the last rollout that failed.
#
# After `certwave rollback`, stop the timer until a better certificate is issued: it would roll out the newest again.
cd "$(dirname "$0")/.." || exit 1
failed=0
for playbook in playbooks/*.yaml; do
  @PROGRAM@ rollout "$playbook" --yes || failed=$?
done
exit "$failed"
