#!/usr/bin/env bash
# What has to be seen on a GPU, in under ten minutes, on a bare machine with CUDA and torch:
#   bash bench/gpu_check.sh cuda OUT      (bash bench/gpu_check.sh cpu OUT checks the script itself)
# 1. the tiny study, trained and explained on the device; 2. its networks explained and scored there and on the CPU, and
# the scores compared; 3. training throughput next to timm's own steps, share of time the GPU is busy while scoring, memory.
# Wheels of what the machine lacks may lie in wheels/. OUT gets the logs, compare.json and gpu.json.
set -euo pipefail
cd "$(dirname "$0")/.."
device=${1:-cuda}
out=$(mkdir -p "${2:-gpu_check}" && cd "${2:-gpu_check}" && pwd)
python=${PYTHON:-$( [ -x .venv/bin/python ] && echo "$PWD/.venv/bin/python" || command -v python3)}
if compgen -G "wheels/*.whl" > /dev/null; then
  "$python" -m pip install --quiet --no-index --no-deps wheels/*.whl
fi
export PYTHONPATH=$PWD/src:$PWD PATH=$(dirname "$python"):$PATH
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

project() { # a copy of what Snakemake needs, and the networks of the tiny study as another study's own
  mkdir -p "$1"
  cp -r Snakefile rules params.yaml studies profiles envs src "$1"
  cat > "$1/studies/given.yaml" << 'STUDY'
extends: tiny
train: {weights: 'results/models/tiny/{model}/{seed}/fold0/model.safetensors', epochs: 0}
explain: {variants: {random_labels: false}}
STUDY
}

run() { # folder, study, device
  (cd "$1" && time "$python" -m snakemake --cores 4 --config "studies=$2" "compute={device: $3}") \
    > "$out/$2-$3.log" 2>&1 || { tail -40 "$out/$2-$3.log"; exit 1; }
}

project "$work/device" && project "$work/cpu"
run "$work/device" tiny "$device"
mkdir -p "$work/cpu/results/models" && cp -r "$work/device/results/models/tiny" "$work/cpu/results/models"
run "$work/device" given "$device"
run "$work/cpu" given cpu
echo "the same networks on $device and on the CPU:"
"$python" -m heatproof diff "$work/device" "$work/cpu" --study given --json "$out/compare.json" | tee "$out/compare.txt" || true
"$python" -m bench.gpu --device "$device" --json "$out/gpu.json"
