#!/usr/bin/env bash
# A run on a slice of Cloud TPU VMs, one process per host: `TPU=my-slice ZONE=us-west4-a launch/tpu_vm.sh`.
# Runs on your own machine and needs `gcloud`; the hosts find each other by the metadata of the slice.
#
# Before the first run, on all hosts (`gcloud compute tpus tpu-vm ssh $TPU --zone $ZONE --worker=all --command=...`):
# clone the repository into ~/ksdiff-jax, `make install`, `.venv/bin/pip install ".[tpu]"`, and mount one file system
# that all hosts share (Filestore, or a bucket by gcsfuse) for WORKDIR. Shards may also be read as gs://...
set -u

TPU=${TPU:?name of the TPU VM}
ZONE=${ZONE:?its zone}
CONFIG=${CONFIG:-paper}
DATA=${DATA:-gs://my-bucket/shards}
WORKDIR=${WORKDIR:-/mnt/shared/runs/$CONFIG}
ATTEMPTS=${ATTEMPTS:-50}

# The brackets keep the pattern from matching the shell whose command line contains it.
stop="pkill -TERM -f '[k]sdiff-jax train'"
train="cd ksdiff-jax && exec .venv/bin/ksdiff-jax train '$CONFIG' --data.path '$DATA' --workdir '$WORKDIR'"

on_all_hosts() {
  gcloud compute tpus tpu-vm ssh "$TPU" --zone "$ZONE" --worker=all --command="$1"
}

# Ctrl-C here only ends the connection. This stops the run on the hosts, which save first.
trap 'on_all_hosts "$stop"; exit 143' INT TERM

for ((attempt = 1; attempt <= ATTEMPTS; attempt++)); do
  on_all_hosts "$train" &   # and wait: a signal interrupts that, where it would let a command end first
  wait $!
  status=$?
  # 0 done, 2 a mistake in the command. Any other status resumes from the last checkpoint: 143 a host was stopped,
  # 75 it hung, 134 another host died, 255 the connection broke.
  if ((status == 0 || status == 2)); then
    exit "$status"
  fi
  echo "attempt $attempt ended with status $status" >&2
  # Processes of the run that still wait on other hosts must end before the next start.
  on_all_hosts "$stop; sleep 20; pkill -KILL -f '[k]sdiff-jax train'; true"
done
exit "$status"
