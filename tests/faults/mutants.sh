#!/usr/bin/env bash
# Plants one bug after the other in a copy of the tree, and shows that a short run on real servers finds each.
#
#   tests/faults/mutants.sh [NAME ...]      all of tests/faults/mutants/*.patch, or those named
#
# A patch says first what the bug is (Bug:), what must find it (Run:) and what that must say (Expect:). Each command runs
# once on the tree as it is, where it must pass. PYTHON is the interpreter (default: that of .venv), TIMES how often each
# mutant runs (default: once). Exit status 1 if a mutant survives, if a patch does not apply, or if the sound tree fails.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
interpreter=${PYTHON:-$root/.venv/bin/python}
work=$(mktemp -d -t tensorfleet-mutants-XXXXXX)
trap 'rm -rf "$work"' EXIT
failures=0

python() { timeout --kill-after=30 600 "$interpreter" "$@"; }
field() { sed -n "s/^$1: //p;/^diff /q" "$2"; }
row() { printf '%-36s %-10s %5s  %s\n' "$@"; }

copy_tree() { # of the files that git knows or would add, as they are now; a repository, so that git applies to it
  rm -rf "$1" && mkdir "$1"
  (cd "$root" && git ls-files -z --cached --others --exclude-standard --deduplicate | xargs -0 cp --parents -t "$1")
  git -C "$1" init --quiet
}

try() { # tree, command, output: run it there
  (cd "$1" && eval "$2") >"$3" 2>&1
}

control() { # command: once for all mutants that it must find
  local mark
  mark=$work/$(printf %s "$1" | sha256sum | cut -c1-16)
  [[ -e $mark ]] && return
  SECONDS=0
  if try "$work/sound" "$1" "$mark"; then
    row "(none)" "passed" "$SECONDS" "$1"
  else
    row "(none)" "FAILED" "$SECONDS" "$1"
    tail -n 40 "$mark"
    failures=$((failures + 1))
  fi
}

mutant() { # patch
  local name run expect
  name=$(basename "$1" .patch) run=$(field Run "$1") expect=$(field Expect "$1")
  copy_tree "$work/mutated"
  if ! git -C "$work/mutated" apply "$1"; then
    row "$name" "NO PATCH" 0 "it does not apply to this tree any more: write it anew"
    failures=$((failures + 1))
    return
  fi
  control "$run"
  for _ in $(seq "${TIMES:-1}"); do
    SECONDS=0
    if try "$work/mutated" "$run" "$work/output" || ! grep -qF "$expect" "$work/output"; then
      row "$name" "SURVIVED" "$SECONDS" "$run"
      tail -n 40 "$work/output"
      failures=$((failures + 1))
    else
      row "$name" "caught" "$SECONDS" "$run"
      row "" "" "" "$(grep -m1 -F "$expect" "$work/output" | cut -c1-120)"
    fi
  done
}

patches=("$root"/tests/faults/mutants/*.patch)
if [[ $# -gt 0 ]]; then
  patches=("${@/#/$root/tests/faults/mutants/}")
  patches=("${patches[@]/%/.patch}")
fi
copy_tree "$work/sound"
row mutant result s command
for one in "${patches[@]}"; do
  mutant "$one"
done
exit $((failures > 0))
