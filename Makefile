# SPDX-License-Identifier: GPL-2.0-only
#
# make [KDIR=…]     builds the module virtio-sst.ko for the running (or that) kernel;
#                   O=… is where that was built, if not in KDIR
# make install      installs it there
# make tools        builds the tools, sstctl and vhost-user-sst
# make install-tools  installs them in /usr/local, or in PREFIX=…
# make patches      makes the series for a kernel tree in patches/
# make deb          makes the Debian packages in dist/
# make apt-repo     makes dist/ an archive that apt can install them from
# make clean        removes what was built, for whatever kernel
#
# ARCH, CROSS_COMPILE and LLVM are the kernel's own.

sst-top := $(patsubst %/,%,$(dir $(abspath $(lastword $(MAKEFILE_LIST)))))

ifneq ($(KERNELRELEASE),)

export CONFIG_VIRTIO_SST := m
obj-m += drivers/virtio/
obj-$(CONFIG_VIRTIO_SST_FLOOR) += tools/virtio/sst/bench/floor/
subdir-ccflags-y += -I$(sst-top)/include -I$(sst-top)/include/uapi

# What older kernels need.
-include $(sst-top)/dkms/Kbuild

else

ifneq ($(words $(MAKEFILE_LIST) $(CURDIR)),2)
$(error the path of this folder has a space in it, which the kernel's make does not support)
endif

KDIR ?= /lib/modules/$(shell uname -r)/build
kbuild = $(MAKE) -C $(KDIR) M=$(sst-top)
built = $(or $(O),$(KDIR))

# What the kernel's make leaves, with the link to the module; it cleans up itself
# only where the KDIR of the build is given.
products := *.o .*.o *.ko *.mod *.mod.c .*.cmd .*.d *.a modules.order Module.symvers

all: modules

modules: headers
	$(kbuild) modules
	ln -sf drivers/virtio/virtio-sst.ko $(sst-top)/virtio-sst.ko

# Linux 6.1 would take "extra", which comes after a module of the kernel's own.
INSTALL_MOD_DIR ?= updates

# depmod is run here since the kernel's make does so only where System.map is.
install: modules
	$(kbuild) INSTALL_MOD_DIR="$(INSTALL_MOD_DIR)" DEPMOD=true modules_install
	depmod $(if $(INSTALL_MOD_PATH),-b "$(INSTALL_MOD_PATH)") \
		"$$(sed -n 's/^#define UTS_RELEASE "\(.*\)"/\1/p' $(built)/include/generated/utsrelease.h)"

tools:
	$(MAKE) -C $(sst-top)/tools/virtio/sst

install-tools:
	$(MAKE) -C $(sst-top)/tools/virtio/sst install

clean:
	@rm -f $(foreach dir,. drivers/virtio drivers/virtio/tests,$(products:%=$(sst-top)/$(dir)/%))
	$(MAKE) -C $(sst-top)/tools/virtio/sst clean

patches:
	$(sst-top)/scripts/make-patches

deb:
	$(sst-top)/scripts/make-packages

apt-repo: deb
	$(sst-top)/scripts/make-packages --archive

headers:
	@$(sst-top)/scripts/check-headers "$(KDIR)" "$(built)" "$(ARCH)"

.PHONY: all modules install tools install-tools clean patches deb apt-repo headers

endif
