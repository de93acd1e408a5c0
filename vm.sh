ip link set lo up
for m in nf_conntrack nf_conntrack_netlink veth nf_nat iptable_nat xt_nat xt_REDIRECT; do modprobe $m; done
uname -r; cat /proc/sys/net/netfilter/nf_conntrack_events
cd /work/wt-ct; mkdir -p /run/netns
PYTHONPATH=/work/wt-ct timeout 200 .venv/bin/python /tmp/ctx/t1.py 2>&1 | tail -40
