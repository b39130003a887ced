#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Module parameters, device IDs and several devices. Needs a machine with two
# devices of virtio ID 38, and the module's path in SST_MODULE.
set -u
n=0
failed=0
class=/sys/class/virtio-sst

check() {
	what=$1
	shift
	n=$((n + 1))
	if "$@"; then
		echo "ok $n $what"
	else
		echo "not ok $n $what"
		failed=$((failed + 1))
	fi
}

load() {
	insmod "$SST_MODULE" "$@" 2>/dev/null
}

unload() {
	rmmod virtio_sst
}

# The load fails, and the kernel's log says what the parameter takes.
refused() {
	dmesg -C
	if load "$1"; then
		unload
		return 1
	fi
	dmesg | grep -q "virtio-sst: parameter $2"
}

# As the module's parameter files and the devices' attributes show it
shows() {
	[ "$(cat "$1")" = "$2" ]
}

both_devices() {
	[ -c /dev/sst0 ] && [ -c /dev/sst1 ] && [ ! -e /dev/sst2 ]
}

echo "TAP version 13"
echo "1..19"
check "loads where there is no device" load
check "drives no ID that it was not told" [ ! -e /dev/sst0 ]
unload
check "virtio_id: loads" load virtio_id=38,4242
check "virtio_id: both devices are there" both_devices
ids=$(sort $class/sst0/device_id $class/sst1/device_id | tr '\n' ' ')
check "each has its own device_id" [ "$ids" = "1 2 " ]
echo 100 >$class/sst0/request_timeout_ms
check "a time-out is one device's" shows $class/sst1/request_timeout_ms 5000
old=$(basename "$(readlink -f $class/sst0/device)")
echo "$old" >/sys/bus/virtio/drivers/virtio-sst/unbind
check "unbinding one leaves the other" [ ! -e /dev/sst0 -a -c /dev/sst1 ]
echo "$old" >/sys/bus/virtio/drivers/virtio-sst/bind
check "the number is used again" both_devices
dmesg -C
unload
nothing='requests 0 responses 0 events 0 errors 0'
statistics=$(dmesg | grep -c "virtio-sst sst[01]: Statistics: $nothing\$")
check "removal logs the statistics" [ "$statistics" -eq 2 ]
dmesg -C
load virtio_id=38 max_devices=1
check "max_devices: one device only" [ -c /dev/sst0 -a ! -e /dev/sst1 ]
check "max_devices: the log says so" sh -c 'dmesg | grep -q "more than max_devices=1 devices"'
unload
dmesg -C
load virtio_id=38 request_timeout=1234 debug=1
check "request_timeout: the devices have it" shows $class/sst1/request_timeout_ms 1234
check "debug: the log has the devices" \
	sh -c 'dmesg | grep -q "virtio-sst sst1: wire version 0x10000, device id"'
unload
check "request_timeout=0 is refused" refused request_timeout=0 request_timeout
check "request_timeout=86400001 is refused" refused request_timeout=86400001 request_timeout
check "request_timeout=x is refused" refused request_timeout=x request_timeout
check "max_devices=0 is refused" refused max_devices=0 max_devices
check "virtio_id=0 is refused" refused virtio_id=0 virtio_id
check "virtio_id=0xffffffff is refused" refused virtio_id=0xffffffff virtio_id
[ "$failed" -eq 0 ]
