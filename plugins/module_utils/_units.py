# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What systemd is told: the services' units, their accounts (sysusers.d(5)), and their folders (tmpfiles.d(5)). Text only; nothing is done here.

Each service has an account of its own with just the capabilities it needs (systemd.exec(5)). The group ``tandem`` is what both share: they may read
the document and reach each other's control socket. Heartbeat keys are readable by the keepalive service alone,
the private keys of certificates by the proxy alone.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from string import Template

from ._paths import Paths

GROUP = "tandem"
ACCOUNTS = ("tandem-proxy", "tandem-keepalive", "tandem-forward")
SERVICES = ("tandem-proxy", "tandem-keepalive")  # those that always run
FORWARD = "tandem-forward"  # runs while the proxy wants it to, which its path unit notices: nodes without such frontends have no process for them
ENABLED = (*SERVICES, f"{FORWARD}.path")
MARK = "TANDEM_UNITS"
UNITS = Path("/etc/systemd/system")
SYSUSERS = Path("/etc/sysusers.d/tandem.conf")
TMPFILES = Path("/etc/tmpfiles.d/tandem.conf")


def files(paths: Paths) -> dict[Path, str]:
    """Everything that is written for systemd, by path."""
    return {
        SYSUSERS: _ACCOUNTS,
        TMPFILES: _FOLDERS.substitute(etc=paths.etc, run=paths.run, state=paths.state),
        **{UNITS / f"{name}.service": text for name, text in _services(paths, mark(paths)).items()},
        UNITS / f"{FORWARD}.path": _WANTED.substitute(wanted=paths.forward_wanted),
    }


def mark(paths: Paths) -> str:
    """A digest of the units, which they give to their services as MARK: systemd does not tell by which text of a unit a service was started."""
    texts = _services(paths, "")
    return hashlib.sha256("".join(texts[name] for name in (*SERVICES, FORWARD)).encode()).hexdigest()


def _services(paths: Paths, marked: str) -> dict[str, str]:
    told = {"program": paths.program, "prefix": paths.prefix, "run": paths.run, "state": paths.state, "sandbox": _SANDBOX, "mark": f"{MARK}={marked}"}
    units = {"tandem-proxy": _PROXY, "tandem-keepalive": _KEEPALIVE, FORWARD: _FORWARD}
    return {name: unit.substitute(told) for name, unit in units.items()}


_ACCOUNTS = """\
# Written by tandem.lb; changes are overwritten.
g tandem - -
u tandem-proxy - "Tandem proxy" - -
u tandem-keepalive - "Tandem keepalive" - -
u tandem-forward - "Tandem forward" - -
"""

_FOLDERS = Template("""\
# Written by tandem.lb; changes are overwritten.
d $run 0770 root tandem -
d $state 0755 tandem-proxy tandem -
z $state/server-states.json 0640 tandem-proxy tandem -
d $state/keepalive 0750 tandem-keepalive tandem -
Z $state/keepalive/* 0640 tandem-keepalive tandem -
z $etc 0755 root tandem -
z $etc/desired.json 0640 root tandem -
d $etc/secrets 0700 tandem-keepalive tandem -
Z $etc/secrets/* 0600 tandem-keepalive tandem -
d $etc/keys 0700 tandem-proxy tandem -
Z $etc/keys/* 0600 tandem-proxy tandem -
""")

# Each line takes away something that the services never use. PrivateUsers and PrivateNetwork are missing because the capabilities are meant for the
# host's own network.
_SANDBOX = """\
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
ProtectProc=invisible
PrivateTmp=yes
PrivateDevices=yes
DevicePolicy=closed
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RemoveIPC=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
KeyringMode=private
# Keys are in the services' memory. The limit does not count where the kernel pipes a core to a program, which decides by itself what it keeps
# (core(5)); the filter leaves it nothing of that memory.
LimitCORE=0
CoredumpFilter=0
UMask=0077
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallErrorNumber=EPERM
"""

_PROXY = Template("""\
# Written by tandem.lb; changes are overwritten.
[Unit]
Description=Tandem load balancer: proxy
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=main
ExecStart=$program --prefix $prefix proxy
# Takes up at once what an ACME client has renewed on this node, as its hook may ask.
ExecReload=/bin/sh -c 'kill -HUP $$MAINPID'
Environment=$mark
User=tandem-proxy
Group=tandem
Restart=always
RestartSec=100ms
WatchdogSec=10
TimeoutStartSec=30
TimeoutStopSec=15
# The workers end by themselves; what is left after the main process gets SIGKILL.
KillMode=mixed
# A worker that the kernel ends for want of memory is replaced; the service goes on.
OOMPolicy=continue
OOMScoreAdjust=-500
# Listening sockets are kept here across a restart, with the clients that wait in them.
FileDescriptorStoreMax=4096
LimitNOFILE=1048576
ReadWritePaths=$run -$state
CapabilityBoundingSet=CAP_NET_BIND_SERVICE
AmbientCapabilities=CAP_NET_BIND_SERVICE
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
$sandbox
[Install]
WantedBy=multi-user.target
""")

_KEEPALIVE = Template("""\
# Written by tandem.lb; changes are overwritten.
[Unit]
Description=Tandem load balancer: keepalive
Wants=network-online.target tandem-proxy.service
# Stopped in the opposite order: this service hands its floating IPs over while the proxy still serves.
After=network-online.target tandem-proxy.service tandem-forward.service
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=main
ExecStart=$program --prefix $prefix keepalive
# However the service ended: an address of a node that takes no part in elections must not stay.
ExecStopPost=$program --prefix $prefix keepalive-ended
Environment=$mark
User=tandem-keepalive
Group=tandem
Restart=always
RestartSec=100ms
WatchdogSec=5
TimeoutStartSec=30
TimeoutStopSec=15
OOMScoreAdjust=-500
ReadWritePaths=$run -$state/keepalive
CapabilityBoundingSet=CAP_NET_RAW CAP_NET_ADMIN
AmbientCapabilities=CAP_NET_RAW CAP_NET_ADMIN
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK AF_PACKET
$sandbox
[Install]
WantedBy=multi-user.target
""")

_FORWARD = Template("""\
# Written by tandem.lb; changes are overwritten.
[Unit]
Description=Tandem load balancer: what the kernel forwards
After=tandem-proxy.service
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=main
ExecStart=$program --prefix $prefix forward
Environment=$mark
User=tandem-forward
Group=tandem
# It ends by itself where nothing is left to forward.
Restart=on-failure
RestartSec=100ms
WatchdogSec=60
TimeoutStartSec=30
TimeoutStopSec=15
# Of the kernel's tunables, those of the network: forwarding has to be switched on.
ReadWritePaths=$run /proc/sys/net
CapabilityBoundingSet=CAP_NET_ADMIN
AmbientCapabilities=CAP_NET_ADMIN
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
$sandbox""")

_WANTED = Template("""\
# Written by tandem.lb; changes are overwritten.
[Unit]
Description=Tandem load balancer: whether there is anything for the kernel to forward

[Path]
PathExists=$wanted

[Install]
WantedBy=multi-user.target
""")
