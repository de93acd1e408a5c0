#!/bin/sh
# Runs in the guest as its first program: guest.sh ROOT RESULTS PROJECT SECONDS TEST_SECONDS SLOWNESS
# ROOT is the host's root file system, mounted a second time; RESULTS a folder that the host sees, with the arguments of
# pytest in the file arguments, and settings (NAME=VALUE) in the file environment, one on each line.
set -eu
root=$1 results=$2 project=$3 seconds=$4 test_seconds=$5 slowness=$6
set --
while read -r argument; do
    set -- "$@" "$argument"
done <"$results/arguments"

# Again, with a cache: without one every page of every library is fetched by a request of its own (measured: 4 times
# slower). Nobody writes to these files meanwhile.
tag=$(findmnt -no SOURCE "$root")
umount "$root"
mount -t 9p -o ro,version=9p2000.L,trans=virtio,access=any,msize=524288,cache=loose "$tag" "$root"
mkdir -p /run/project
mount --bind "$root$project" /run/project # it may lie below a folder that is covered now
for folder in proc sys dev run; do
    mount --rbind "/$folder" "$root/$folder"
done
for folder in tmp var/cache var/tmp; do
    mount -t tmpfs tmpfs "$root/$folder"
done
# Thousands of small files are read faster from one archive.
mount -t tmpfs tmpfs "$root/usr/src"
tar -C "$root/usr/src" -xf "$results/headers.tar"
case $project in /tmp/* | /var/tmp/* | /var/cache/* | /usr/src/*)
    mkdir -p "$root$project"
    mount --bind /run/project "$root$project"
    ;;
esac
mkdir "$root/tmp/results"
mount --bind "$results" "$root/tmp/results"
# What is compiled against types of this kernel is compiled by the host.
compiler="$root$project/probes/kernel/compiler.py"
cp "$compiler" "$root/tmp/compiler.py"
mount --bind "$root$project/tests/vm/remote_compiler.py" "$compiler"

ip link set lo up
uname -r >"$results/kernel"
while read -r setting; do
    export "${setting?}"
done <"$results/environment"
# What has most to compile is left to those tests that ask for it. Tests that fail wait long for what does not come:
# after three of them the rest does not run.
exec timeout -k 10 "$seconds" chroot "$root" env -C "$project" HOME=/tmp PYTHONDONTWRITEBYTECODE=1 \
    TAILRACE_HTTP_ENABLED=off \
    PATH="$project/.venv/bin:/usr/sbin:/usr/bin:/sbin:/bin" SELFTEST_SLOWNESS="$slowness" TEST_SCALE=0.1 \
    python -m pytest -v -p no:cacheprovider -p no:hypothesispytest --maxfail=3 --timeout="$test_seconds" --durations=0 --junitxml=/tmp/results/junit.xml "$@" \
    >"$results/output" 2>&1
