// SPDX-License-Identifier: Apache-2.0
// Inhibition: what would take the units' state away from under devices is held off while this lives: sleep (units come
// back switched off) and kexec (the next kernel uses the memory that units walk).
#pragma once

#include <string>
#include <vector>

#include "base/unique_fd.hpp"

namespace smmu::daemon {

class Inhibition {
public:
    // Where the kernel says and is told about kexec.
    struct KernelFiles {
        std::string loaded = "/sys/kernel/kexec_loaded";
        std::string load_disabled = "/proc/sys/kernel/kexec_load_disabled";
    };

    // Takes systemd-logind's lock against sleep and forbids loading another kernel until the machine starts anew (the
    // kernel knows no way back). What cannot be held off is a sentence in `remarks`: the service runs all the same, and
    // its recheck finds a unit that lost its state.
    static Inhibition take(std::vector<std::string>& remarks, const KernelFiles& files);
    static Inhibition take(std::vector<std::string>& remarks) { return take(remarks, KernelFiles{}); }

    bool holds_off_sleep() const { return bool(sleep_); }

private:
    UniqueFd sleep_;  // logind lets sleep go on when it is closed
};

}  // namespace smmu::daemon
