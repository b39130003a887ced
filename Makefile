# SPDX-License-Identifier: GPL-2.0-only
#
# make [KDIR=…]     builds the module virtio-sst.ko for the running (or that) kernel
# make install      installs it there
# make tools        builds the tools
# make clean        removes what was built
#
# ARCH, CROSS_COMPILE and LLVM are the kernel's own.

sst-top := $(patsubst %/,%,$(dir $(abspath $(lastword $(MAKEFILE_LIST)))))

ifneq ($(KERNELRELEASE),)

export CONFIG_VIRTIO_SST := m
obj-m += drivers/virtio/
subdir-ccflags-y += -I$(sst-top)/include -I$(sst-top)/include/uapi

# What older kernels need.
-include $(sst-top)/dkms/Kbuild

else

KDIR ?= /lib/modules/$(shell uname -r)/build
kbuild = $(MAKE) -C $(KDIR) M=$(sst-top)

all: modules

modules: headers
	$(kbuild) modules
	ln -sf drivers/virtio/virtio-sst.ko $(sst-top)/virtio-sst.ko

install: modules
	$(kbuild) modules_install
	depmod -b "$(INSTALL_MOD_PATH)/" "$$(cat $(KDIR)/include/config/kernel.release)"

tools:
	$(MAKE) -C $(sst-top)/tools/virtio/sst

clean:
	[ ! -e $(KDIR)/Makefile ] || $(kbuild) clean
	$(MAKE) -C $(sst-top)/tools/virtio/sst clean
	rm -f $(sst-top)/virtio-sst.ko

headers:
	@[ -e $(KDIR)/Makefile ] || { echo "$(KDIR): no kernel headers there; \
	install them (Debian: linux-headers-$$(uname -r)) or give KDIR=…" >&2; exit 1; }

.PHONY: all modules install tools clean headers

endif
