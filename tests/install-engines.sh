#!/bin/sh
# Installs Debian's etcd and protoc. Packages of servers start them: a policy that says no stands in the way meanwhile.
set -eu
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' > "$policy"
    chmod +x "$policy"
    trap 'rm -f "$policy"' EXIT
fi
apt-get install -y --no-install-recommends etcd-server etcd-client protobuf-compiler libprotobuf-dev
