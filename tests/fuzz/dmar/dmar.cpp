// SPDX-License-Identifier: Apache-2.0
// Fuzz: any bytes as a DMAR table, with the checksum made right so that the fuzzer gets past it;
// then a survey of it.
#include <cstddef>
#include <cstdint>
#include <vector>

#include "config/configuration.hpp"
#include "firmware/dmar.hpp"
#include "survey/survey.hpp"

namespace {

// A port, a device below it, and one beside: enough for paths to lead somewhere.
smmu::topology::PciTree small_tree() {
    smmu::topology::PciTree tree;
    smmu::topology::PciFunction port;
    port.address = {0, 0, 1, 0};
    port.type = smmu::topology::PcieType::root_port;
    port.is_bridge = true;
    port.secondary = port.subordinate = 1;
    smmu::topology::PciFunction below;
    below.address = {0, 1, 0, 0};
    smmu::topology::PciFunction beside;
    beside.address = {0, 0, 3, 0};
    tree.functions = {port, beside, below};
    return tree;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::vector<std::byte> bytes;
    for (std::size_t i = 0; i < size; ++i) bytes.push_back(std::byte(data[i]));
    if (size >= 36) {
        for (unsigned i = 0; i < 4; ++i) {
            bytes[i] = std::byte("DMAR"[i]);
            bytes[4 + i] = std::byte(size >> (8 * i));
        }
        bytes[9] = std::byte{0};
        unsigned sum = 0;
        for (const std::byte byte : bytes) sum += std::to_integer<unsigned>(byte);
        bytes[9] = std::byte(0x100 - (sum & 0xff));
    }
    const auto tree = small_tree();
    const auto configuration = smmu::config::defaults(smmu::config::Edition::plain);
    (void)smmu::survey::survey({{{"DMAR", bytes}}, tree, configuration, {}, {}, {}, {}});
    return 0;
}
