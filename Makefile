# SPDX-License-Identifier: LGPL-2.1-or-later
# What people type; Meson builds, lab/lab runs virtual machines.
BUILD := build/meson
SUDO := $(if $(filter 0,$(shell id -u)),,sudo)

.PHONY: all check demo audit bench bench-bind clean

all: | $(BUILD)/build.ninja
	ninja -C $(BUILD)

$(BUILD)/build.ninja:
	$(SUDO) ./tests/install-dependencies
	meson setup --prefix=/usr --sysconfdir=/etc $(BUILD)

# All tests: units here, scenarios on real kernels in virtual machines.
check:
	$(SUDO) ./tests/check

# The main job on the newest kernel of the lab, before and after.
demo:
	$(SUDO) ./lab/demo

# What this machine gives its devices.
audit: all
	@$(BUILD)/ctl/vfioalignctl audit

# How long an audit takes on made-up hosts of growing size.
bench: all
	tests/bench/audit-scale $(BUILD)

# How long functions take to VFIO and back in the lab, next to driverctl, virsh and bare writes to sysfs.
bench-bind:
	$(SUDO) tests/bench/bind-speed

clean:
	rm -rf $(BUILD)
