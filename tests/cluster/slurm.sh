#!/usr/bin/env bash
# slurm.sh COMMAND ...: a Slurm of one node on this machine while COMMAND runs, and no trace of it afterwards.
# COMMAND finds Snakemake's plugin for it. The node has two GPUs that are none, so that asking for one can be tested.
# Debian or Ubuntu, as root.
set -euo pipefail
export PATH=$PATH:/usr/sbin:/sbin  # where Slurm's and munge's daemons are, and an environment made bare has not
here=$(cd "$(dirname "$0")" && pwd)
conf=/etc/slurm/slurm.conf
mark="# written by tests/cluster/slurm.sh"
packages="slurmctld slurmd slurm-client munge"

stop() { echo "test-cluster: $1" >&2; exit 1; }

[ $# -gt 0 ] || stop "usage: slurm.sh COMMAND ..."
[ "$(id -u)" = 0 ] || stop "not root: it installs $packages and starts them; run it as root in a container"
command -v apt-get >/dev/null || stop "no apt-get here: it knows the Slurm of Debian and Ubuntu only"
for file in "$conf" /etc/slurm/gres.conf /etc/slurm/cgroup.conf; do
  [ ! -e "$file" ] || grep -q "^$mark" "$file" || stop "$file is not its own: a machine with a Slurm is left alone"
done
if [ -e "$conf" ]; then
  # left by a run that was killed; its state folder says whether that run, or another, is still there
  state=$(sed -n 's|^SlurmctldPidFile=\(.*\)/slurmctld.pid|\1|p' "$conf")
  [ ! -e "$state/owner" ] || ! kill -0 "$(cat "$state/owner")" 2>/dev/null || stop "already at work: process $(cat "$state/owner")"
else
  state=$(mktemp -d /tmp/heatproof-slurm.XXXXXX)
fi

# the processes that this script starts are known by their pid files
ended() {
  local pid
  pid=$(cat "$1" 2>/dev/null) && [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = "$(basename "$1" .pid)" ] || return 0
  kill "$pid"
  for _ in {1..50}; do kill -0 "$pid" 2>/dev/null || return 0; sleep .2; done
  kill -9 "$pid" 2>/dev/null || true
}

down() {
  # jobs first: slurmd leaves those that run to themselves
  if [ -e "$state/slurmctld.pid" ]; then
    timeout 10 scancel --full --signal=KILL --state=RUNNING --user=root 2>/dev/null || true
    timeout 10 scancel --user=root 2>/dev/null || true
    for _ in {1..50}; do [ -n "$(timeout 10 squeue -h 2>/dev/null)" ] || break; sleep .2; done
  fi
  # a job on a node that was lost and came back is Slurm's no longer
  for process in /proc/[0-9]*; do
    ! grep -qsz "^HEATPROOF_CLUSTER=$state$" "$process/environ" || kill -9 "${process#/proc/}" 2>/dev/null || true
  done
  ended "$state/slurmd.pid"
  ended "$state/slurmctld.pid"
  ended "$state/munged.pid"
  rm -rf "$conf" /etc/slurm/gres.conf "$state"
}

# a cluster that a killed run has left is taken down before a new one is set up
[ ! -e "$conf" ] || { down; state=$(mktemp -d /tmp/heatproof-slurm.XXXXXX); }
for daemon in slurmctld slurmd; do
  ! pgrep -x $daemon >/dev/null || stop "$daemon runs here, and is not its own: a machine with a Slurm is left alone"
done
trap down EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
echo $$ >"$state/owner"

if ! { command -v slurmctld && command -v slurmd && command -v squeue && command -v munged; } >/dev/null; then
  echo "test-cluster: installs $packages" >&2
  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages; } \
    >"$state/apt.log" 2>&1 || { tail -5 "$state/apt.log" >&2; stop "apt-get could not install $packages"; }
fi

chmod 755 "$state"
mkdir -p "$state/ctld" "$state/d" /etc/slurm
memory=$(awk '/^MemTotal/ {print int($2 / 1024)}' /proc/meminfo)
sed "s|@HOST@|$(hostname -s)|g; s|@STATE@|$state|; s|@CPUS@|$(nproc)|; s|@MEMORY@|$memory|" "$here/slurm.conf" >"$conf"
printf '%s\nName=gpu File=/dev/zero\nName=gpu File=/dev/null\n' "$mark" >/etc/slurm/gres.conf

if ! munge -n 2>/dev/null | unmunge >/dev/null 2>&1; then
  [ -e /etc/munge/munge.key ] || runuser -u munge -- mungekey --create
  install -d -o munge -g munge -m 755 /run/munge "$state/munge"
  runuser -u munge -- munged --pid-file="$state/munge/munged.pid" --log-file="$state/munge/munged.log"
  ln -s munge/munged.pid "$state/munged.pid"
fi
slurmctld
slurmd
for _ in {1..100}; do
  [ "$(sinfo -h -o %T 2>/dev/null)" != idle ] || break
  sleep .2
done
[ "$(sinfo -h -o %T 2>/dev/null)" = idle ] || { tail -5 "$state"/*.log >&2; stop "the node did not come up"; }

# beside the environment, not in it: installed there, the plugin asks for Slurm at every start of Snakemake
python -m pip install --quiet --no-deps --require-hashes --target "$state/plugin" -r "$here/../../envs/slurm.lock"
HEATPROOF_CLUSTER="$state" PYTHONPATH="$state/plugin" "$@"
