#!/usr/bin/env bash
# Two nodes of Ray on this machine and a run over both, to try what docs/many-machines.md says; all ends with the script:
#   scripts/two-nodes.sh                                     five steps on the embedded model
#   scripts/two-nodes.sh data.jsonl --model m --lora-rank 16   or what `train` is given
set -euo pipefail
cd "$(dirname "$0")/.."
python=${RLEXPLORE_PYTHON:-python3}
# the token that `ray start` makes in ~/.ray where there is none: without this word only the nodes would know of it
export RAY_AUTH_MODE=token
address=127.0.0.1:${RAY_PORT:-6399}
"$python" -c "import ray, numpy" || {
  echo "Python with Ray is needed: $python -m pip install \"ray>=2.40\" numpy (RLEXPLORE_PYTHON names another Python)" >&2
  exit 2
}
logs=$(mktemp -d)
nodes=()
end() {
  kill "${nodes[@]}" 2>/dev/null || true
  wait
  rm -rf "$logs"
}
trap end EXIT
node() {
  RAY_worker_niceness=0 RAY_USAGE_STATS_ENABLED=0 "$python" -m ray.scripts.scripts start --block \
    --node-ip-address 127.0.0.1 --num-cpus 1 --object-store-memory 200000000 "$@" >"$logs/${#nodes[@]}" 2>&1 &
  nodes+=($!)
}
alive() {
  "$python" -c "import ray; ray.init('$address', log_to_driver=False); print(sum(n['Alive'] for n in ray.nodes()))" 2>/dev/null || echo 0
}
node --head --port "${address#*:}" --include-dashboard false
until [ "$(alive)" = 1 ]; do kill -0 "${nodes[0]}" 2>/dev/null || { cat "$logs/0"; exit 1; }; sleep 1; done
node --address "$address"
until [ "$(alive)" = 2 ]; do kill -0 "${nodes[1]}" 2>/dev/null || { cat "$logs/1"; exit 1; }; sleep 1; done
echo "two nodes at $address"
[ $# -gt 0 ] || set -- examples/arithmetic.jsonl --max-steps 5
program=(node scripts/bun.js main.ts)
[ ! -x ./rlexplore ] || program=(./rlexplore)
RLEXPLORE_PYTHON=$python "${program[@]}" train "$@" --ray "$address"
