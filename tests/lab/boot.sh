#!/bin/sh
# One host of the lab, from power on to power off: boot.sh power|boot FOLDER TREE HOST BRIDGE MACHINE [CGROUP...]
# What is mounted and started here lives in namespaces of its own, so killing the recorded process takes all of it, as pulling the plug would.
set -eu
step=$1 folder=$2 tree=$3 host=$4 bridge=$5 machine=$6
shift 6

if [ "$step" = power ]; then
    # Held until all of the host has ended, so whoever has this lock knows that it is off, and stays so.
    exec 9<"$folder"
    flock --nonblock 9 || { echo "$host is on already" && exit 1; }
    # Process id and start time (proc(5), field 22 of stat) are on disk before there is anything that would have to be ended.
    stat=$(cat "/proc/$$/stat")
    for cgroup in "$@"; do echo $$ >"$cgroup/cgroup.procs"; done
    # shellcheck disable=SC2086 # every field is an argument, beginning with the third
    set -- ${stat##*)}
    echo "$$ ${20}" >"$folder/pid.new"
    mv "$folder/pid.new" "$folder/pid"
    exec unshare --mount --pid --fork --kill-child --mount-proc "$0" boot "$folder" "$tree" "$host" "$bridge" "$machine"
fi

# systemd-nspawn leaves folders and locks below /run; these are the host's own and go with it.
mount -t tmpfs -o mode=0755 tmpfs /run
mount -t overlay -o "lowerdir=$tree,upperdir=$folder/upper,workdir=$folder/work" overlay "$folder/root"
while :; do
    status=0
    systemd-nspawn --quiet --directory="$folder/root" --boot --machine="$machine" --hostname="$host" --network-bridge="$bridge" \
        --register=no --keep-unit --settings=no --resolv-conf=off --timezone=off --link-journal=no --console=read-only </dev/null || status=$?
    # With --keep-unit, nspawn leaves booting again to its caller, whom it tells so by this status.
    [ "$status" = 133 ] || exit "$status"
done
