// SPDX-License-Identifier: Apache-2.0
// Fuzz: any bytes as records of the kernel's log, one after each zero. Whatever they say, only records of facility kern are
// believed, and a refusal is somebody's.
#include "units/vfio/kernel_log.hpp"

#include <cstddef>
#include <cstdint>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string_view rest(reinterpret_cast<const char*>(data), size);
    smmu::units::vfio::KernelLog log;
    while (!rest.empty()) {
        const std::string_view record = rest.substr(0, rest.find('\0'));
        rest.remove_prefix(record.size() == rest.size() ? rest.size() : record.size() + 1);
        const auto logged = log.take(record);
        const bool is_kernel = record.size() > 1 && (record[0] == '0' || (record[0] >= '1' && record[0] <= '7' && record[1] == ','));
        if ((logged.refusal || logged.suppressed != 0) && !is_kernel) __builtin_trap();
        if (logged.refusal && logged.refusal->refusal.stage > 2) __builtin_trap();
    }
    return 0;
}
