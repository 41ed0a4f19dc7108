#!/usr/bin/env bash
# For the day a GPU is there: in ten minutes, without network, what most needs a real one, in the order of its worth.
#   bash scripts/gpu-check.sh [folder for the logs, gpu-check by default]
# Every part has a time limit of its own and is written down as soon as it ends, so that one that hangs, fails or
# loses the device costs only itself. Last comes a table; figures are in bench/results/<date>-<adapter>.json.
#
#   SECONDS_IN_ALL=600      what all parts may take together
#   RLEXPLORE_GPU=name      the adapter, if not the best there is
#   RLEXPLORE_PYTHON=path   a Python with torch, transformers and trl, for the peers
#   SMOLLM2=path            the folder or GGUF file of SmolLM2-135M-Instruct, for its steps and SVAMP
#   ONLY="name name"        these parts alone
#   PERCENT=300             of each part's time limit, for a slow adapter
#   FAULT=part:kind         a rehearsal: that part hangs, fails or crashes
set -uo pipefail
cd "$(dirname "$0")/.."
parts=$(sed -nE 's/^ *part ([a-z0-9-]+) .*/\1/p' scripts/gpu-check.sh)
for name in ${ONLY:-} ${FAULT:+"${FAULT%%:*}"}; do
  grep -qxF -- "$name" <<< "$parts" && continue
  echo "gpu-check: there is no part $name; these are: ${parts//$'\n'/ }" >&2
  exit 2
done
case ${FAULT:-x:hangs} in
  *:hangs | *:fails | *:crashes) ;;
  *) echo "gpu-check: FAULT=part:kind, the kind being hangs, fails or crashes" >&2; exit 2 ;;
esac
logs=${1:-gpu-check}
mkdir -p "$logs"
began=$(date +%s)
in_all=${SECONDS_IN_ALL:-600}
bun=$(command -v bun || echo "node scripts/bun.js")
table=$logs/table.txt
: > "$table"

rlexplore() { printf '%s main.ts %s' "$bun" "$*"; }
bench() { printf '%s bench/main.ts --json %s %s' "$bun" "${RLEXPLORE_GPU:+--gpu $RLEXPLORE_GPU}" "$*"; }

# part NAME SECONDS PATTERN COMMAND: the last line of the log that matches the pattern goes into the table, or else
# the last of all, which says what went wrong.
part() {
  local name=$1 limit=$(($2 * ${PERCENT:-100} / 100)) pattern=$3 command=$4 status=0 at=$SECONDS
  [ "$limit" -gt 0 ] || limit=1 # timeout takes 0 for no limit
  [[ -z ${ONLY:-} || " $ONLY " == *" $name "* ]] || return 0
  local left=$((in_all - ($(date +%s) - began)))
  if [ "$left" -le 0 ]; then note "$name" "no time left" 0 ""; return 0; fi
  case ${FAULT:-} in
    "$name:hangs") command="sleep 3600" ;;
    "$name:fails") command="echo planted; exit 3" ;;
    "$name:crashes") command='kill -SEGV $$' ;;
  esac
  printf '\n=== %s (at most %d s)\n' "$name" $((limit < left ? limit : left))
  # a group of its own: what it has started ends with it, the device's users included
  setsid timeout --kill-after=5 $((limit < left ? limit : left)) bash -c "$command" > "$logs/$name.log" 2>&1 || status=$?
  local said="ok"
  case $status in 0) ;; 124 | 137) said="out of time" ;; *) said="failed ($status)" ;; esac
  local figures
  figures=$(grep -v '^wrote' "$logs/$name.log" | grep -E "$pattern" || grep . "$logs/$name.log")
  note "$name" "$said" $((SECONDS - at)) "${figures##*$'\n'}"
}

note() { printf '%-22s %-13s %4d s  %.110s\n' "$1" "$2" "$3" "$4" | tee -a "$table"; }

tests='kernels, all as they should be|should be'
part self-test 60 "$tests" "$(rlexplore gpu)"
part self-test-matrices 60 "$tests" "RLEXPLORE_MATMUL=matrix RLEXPLORE_ATTENTION=matrix $(rlexplore gpu)"
part self-test-lanes 60 "$tests" "RLEXPLORE_MATMUL=lanes $(rlexplore gpu)"
part self-test-plain 45 "$tests" "RLEXPLORE_KERNELS=plain $(rlexplore gpu)"
part train 60 '^trained|^change' \
  "$(rlexplore train examples/arithmetic.jsonl --eval-file examples/arithmetic-test.jsonl --output-dir "$logs/run-\$\$")"
part tuning 75 'chosen|kept|wrote|tuned' "$(rlexplore gpu --tune)"
part ceilings 20 'GFLOP|GB/s|TFLOP' "$(bench ceilings)"
part roofline-smollm2 60 '[0-9]' "$(bench kernels-smollm2)"
part decode 60 'batch 64' "$(bench sampling)"
part step 30 '[0-9]' "$(bench step)"
part peers-torch 60 '[0-9]' "$(bench peers-matmul peers-layer)"
if [ -n "${SMOLLM2:-}" ]; then
  part smollm2-step 60 '[0-9]' "$(bench step sampling --model "$SMOLLM2")"
  part smollm2-trl 75 'TRL over' "$(bench trl --model "$SMOLLM2")"
fi
part roofline-qwen 45 '[0-9]' "$(bench kernels-qwen)"
part speculative 60 '[0-9]' "$(bench speculative)"
if [ -n "${SMOLLM2:-}" ]; then
  warm=$logs/svamp-warm
  part svamp-warm-up 60 '^step ' "$(rlexplore sft examples/svamp/warm-up.jsonl --model "$SMOLLM2" \
    --system-prompt "'Answer with an equation.'" --lora-rank 16 --max-steps 60 --output-dir "$warm")"
  part svamp 600 '^step ' "$(rlexplore train examples/svamp/train.jsonl --model "$warm" \
    --system-prompt "'Answer with an equation.'" --outcome number:last-number --max-completion-length 16 \
    --prompts-per-step 8 --output-dir "$logs/svamp-rl")"
fi

printf '\n%s on %s\n' "$(date -u +%F)" "$(sed -nE 's/^adapter +//p' "$logs"/self-test*.log 2>/dev/null | head -n 1)"
cat "$table"
