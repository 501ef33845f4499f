// SPDX-License-Identifier: Apache-2.0
// The machines that guests are, as tests of both have to know them; a test that takes a Machine as its parameter runs on each.
#pragma once

#include <gtest/gtest.h>

#include <ostream>
#include <string>

#include "tests/linux/guest.hpp"

namespace smmu::test {

struct Machine {
    std::string architecture;
    std::string given_up;   // kernel parameters that leave the unit to the service
    std::string kept;       // and that do not
    std::string kind;       // what the service calls such units
    std::string registers;  // of the unit
    std::string unit;       // its name
    std::string kernels;    // what the kernel calls it
    std::string records;    // what it records of a copy of 64 bytes that is refused: one of all, or one of each access
    std::string turn_off;   // a shell command: the unit is off, and everything passes

    // What starts the service in the foreground or not, without further words.
    std::string service() const { return "smmuman smmu " + kind; }
    Guest guest(const std::string& words) const { return Guest{.architecture = architecture, .words = words}; }
};

inline const Machine amd64{.architecture = "amd64",
                           .given_up = "intel_iommu=off intremap=off",
                           .kept = "intel_iommu=on",
                           .kind = "vtd",
                           .registers = "0xfed90000",
                           .unit = "vtd@fed90000",
                           .kernels = "dmar0",
                           .records = "1",
                           .turn_off = "guest_probe write 0xfed90018 0"};  // GCMD

inline const Machine arm64{.architecture = "arm64",
                           .given_up = "initcall_blacklist=arm_smmu_driver_init",
                           .kept = "",
                           .kind = "armsmmuv3",
                           .registers = "0x09050000",
                           .unit = "smmuv3@9050000",
                           .kernels = "smmu3.0x0000000009050000",
                           .records = "16",
                           .turn_off = "guest_probe write 0x09050044 0x80000000; guest_probe write 0x09050020 0"};  // GBPA, CR0

inline void PrintTo(const Machine& machine, std::ostream* out) { *out << machine.architecture; }

inline std::string name_of_machine(const testing::TestParamInfo<Machine>& tested) { return tested.param.architecture; }

// INSTANTIATE_TEST_SUITE_P(Machines, Suite, machines(), name_of_machine);
inline auto machines() { return testing::Values(amd64, arm64); }

}  // namespace smmu::test
