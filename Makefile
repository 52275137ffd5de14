# SPDX-License-Identifier: LGPL-2.1-or-later
# What people type; Meson builds, lab/lab runs virtual machines.
BUILD := build/meson
SUDO := $(if $(filter 0,$(shell id -u)),,sudo)

.PHONY: all check check-all check-debug analyze sanitize distributions packages faults fuzz demo audit bench bench-bind bench-map bench-trace clean

all: | $(BUILD)/build.ninja
	ninja -C $(BUILD)

$(BUILD)/build.ninja:
	./tests/install-dependencies --check
	meson setup --prefix=/usr --sysconfdir=/etc $(BUILD)

# What lands a change: units here, and a choice of scenarios on real kernels in virtual machines that covers all of them.
check:
	$(SUDO) ./tests/check

# Everything, check-debug too. It can be interrupted, and goes on where it was as long as the code is the same.
check-all:
	$(SUDO) ./tests/check --all

# The module under load on a kernel with KASAN and lockdep, built from source at first (half an hour and 15 GB, once).
check-debug:
	$(SUDO) ./lab/lab debug

# All native tests under ASan, UBSan and LSan.
sanitize:
	$(SUDO) ./tests/install-dependencies
	./tests/sanitize

# All native tests on newer distributions than this machine's, in a chroot each.
distributions:
	$(SUDO) ./tests/distributions

# The Debian packages, built, installed, upgraded and purged on Debian 12 and 13, in a chroot each.
packages:
	$(SUDO) ./tests/packages

# Memory, writes and power that fail, for so many minutes.
MINUTES := 20
faults: all
	./tests/faults/run --minutes $(MINUTES) $(BUILD)

# What the analyzers of gcc and clang find.
analyze: all
	$(SUDO) ./tests/install-dependencies --all
	./tests/analyze $(BUILD)

# All that reads what others write, on inputs that a machine makes up, for so many minutes.
fuzz:
	$(SUDO) ./tests/install-dependencies --all
	./tests/fuzz/run --minutes $(MINUTES)

# The main job on the newest kernel of the lab, before and after.
demo:
	$(SUDO) ./lab/demo

# What this machine gives its devices.
audit: all
	@$(BUILD)/ctl/vfioalignctl audit

# How long an audit takes on made-up hosts of growing size; what many hosts' reports take, a million at the most; what the hook adds to a guest's start, and the preload library to
# mappings that are none of its business.
bench: all
	tests/bench/audit-scale $(BUILD)
	tests/bench/fleet --build $(BUILD)
	tests/bench/hook-cost $(BUILD)
	tests/bench/preload-cost $(BUILD)

# How long functions take to VFIO and back in the lab, next to driverctl, virsh and bare writes to sysfs.
bench-bind:
	$(SUDO) tests/bench/bind-speed

# What a BAR costs by who places it, and what the module costs all other mappings; in the lab.
bench-map:
	$(SUDO) tests/bench/page-faults
	$(SUDO) tests/bench/mmap-cost

# What watching a start costs it; in the lab.
bench-trace:
	$(SUDO) tests/bench/trace-cost

clean:
	rm -rf $(BUILD)
