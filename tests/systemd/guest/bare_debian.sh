#!/bin/sh
# The life of the package on a bare Debian: what comes of it is noted in /out/facts, a line of JSON for each fact.
set -eu
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
note() { # NAME TEXT
    text=$(printf '%s' "$2" | sed 's/\\/\\\\/g; s/"/\\"/g' | sed ':more; N; $!b more; s/\n/\\n/g')
    printf '{"name": "%s", "fact": "%s"}\n' "$1" "$text" >>/out/facts
}
state() { systemctl is-active "$1" || true; }
flows=/var/log/tailrace/flows.jsonl
begin=$(date +%s)

# The two commands of the README; only their answers to questions are given in advance.
echo 'APT::Get::Assume-Yes "true";' >/etc/apt/apt.conf.d/answers
apt-get update -qq
cd /packages
sh -eu ./install >/out/installed 2>&1
note said "$(tr -d '\r' </out/installed | grep -E '^(Tailrace is|To look) ')" # apt runs dpkg on a terminal of its own
note 'after installing' "$(state tailrace)"
note version "$(tailrace --version)"
sh -eu ./enable
note 'after starting' "$(state tailrace)"
talk='import socket; s = socket.create_server(("127.0.0.1", 0)); socket.create_connection(s.getsockname()).close(); s.accept()'
for _ in $(seq 600); do
    python3 -c "$talk"
    [ ! -s "$flows" ] || break
    sleep 0.1
done
note rows "$(wc -l <"$flows")"
note seconds "$(($(date +%s) - begin))"

process=$(systemctl show --value -p MainPID tailrace)
echo '# mine' >>/etc/tailrace/tailrace.yaml
dpkg -i --force-confdef later.deb >/out/upgraded 2>&1
note 'upgraded version' "$(dpkg-query -W -f '${Version}' tailrace)"
note 'upgraded configuration' "$(grep -q '# mine' /etc/tailrace/tailrace.yaml && echo kept || echo lost)"
note 'upgraded unit' "$(state tailrace)"
note 'upgraded process' "$([ "$(systemctl show --value -p MainPID tailrace)" = "$process" ] && echo same || echo another)"

dpkg -r tailrace >/out/removed 2>&1
note 'removed unit' "$(state tailrace)"
note 'removed configuration' "$(grep -q '# mine' /etc/tailrace/tailrace.yaml && echo kept || echo lost)"
dpkg -P tailrace >/out/purged 2>&1
note left "$(find / -xdev -iname '*tailrace*' ! -path '/out/*' ! -path '/proc/*' ! -path '/sys/*' ! -path '/guest/*' | head)"
note users "$(grep tailrace /etc/passwd /etc/group || true)"

# What `make install` lays out, without a package; the libraries of Debian are still there.
cp -a /installed/. /
systemd-sysusers /usr/local/lib/sysusers.d/tailrace.conf >/out/users 2>&1
systemctl daemon-reload
systemctl start tailrace
note 'local unit' "$(state tailrace)"
note 'local command' "$(command -v tailrace)"
/scripts/uninstall >/out/uninstalled 2>&1
note 'local unit at the end' "$(state tailrace)"
note 'local left' "$(find /usr /etc /var -xdev -iname '*tailrace*' ! -path '/usr/lib/python3*' | sort | tr '\n' ' ')"
