#!/usr/bin/env bash
# N processes on this machine as one run: a test of a multi-host run on a single machine.
#
#   launch/local.sh 2 demo --workdir runs/two --train.steps 200
#   DEVICES=4 launch/local.sh 2 demo --mesh.fsdp 2     2 processes of 4 fake CPU devices each
#   GPUS=4 launch/local.sh 2 demo                      2 processes of 4 GPUs each
#
# Arguments after N are passed to `ksdiff-jax train`. SIGTERM and Ctrl-C reach every process, and the run is saved. The
# status is that of the first process that failed: 0 done, 2 a mistake in the arguments, 143 or 130 stopped and saved,
# 75 hung, 134 another process died. The same command resumes the run.
set -u
set -m   # each process in a group of its own: Ctrl-C reaches it once, by the traps below, and not twice

if [[ ! ${1-} =~ ^[1-9][0-9]*$ || $# -lt 2 ]]; then
  echo "usage: launch/local.sh PROCESSES CONFIG [options of ksdiff-jax train]" >&2
  exit 2
fi
processes=$1
shift
command=${KSDIFF_JAX:-ksdiff-jax}   # or KSDIFF_JAX=.venv/bin/ksdiff-jax
port=${PORT:-$((20000 + RANDOM % 20000))}

children=()
for ((k = 0; k < processes; k++)); do
  if [[ -n ${DEVICES-} ]]; then
    export JAX_PLATFORMS=cpu JAX_NUM_CPU_DEVICES=$DEVICES
  elif [[ -n ${GPUS-} ]]; then
    export CUDA_VISIBLE_DEVICES
    CUDA_VISIBLE_DEVICES=$(seq -s, $((k * GPUS)) $((k * GPUS + GPUS - 1)))
  fi
  $command train "$@" --coordinator "127.0.0.1:$port" --processes "$processes" --process-id "$k" &
  children+=($!)
done

# A signal interrupts `wait`, so the loop waits for each process again until it has exited. If one process fails,
# the others end by themselves when its heartbeat is missed.
trap 'kill -TERM "${children[@]}" 2>/dev/null' TERM
trap 'kill -INT "${children[@]}" 2>/dev/null' INT
status=0
for child in "${children[@]}"; do
  while kill -0 "$child" 2>/dev/null; do wait "$child"; done
  wait "$child"
  ended=$?
  ((status == 0)) && status=$ended
done
exit "$status"
