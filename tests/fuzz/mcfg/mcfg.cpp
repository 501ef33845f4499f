// SPDX-License-Identifier: Apache-2.0
// Fuzz: any bytes as an MCFG table, with signature, length and checksum made right.
#include "firmware/mcfg.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::vector<std::byte> bytes;
    for (std::size_t i = 0; i < size; ++i) bytes.push_back(std::byte(data[i]));
    if (size >= 36) {
        for (unsigned i = 0; i < 4; ++i) {
            bytes[i] = std::byte("MCFG"[i]);
            bytes[4 + i] = std::byte(size >> (8 * i));
        }
        bytes[9] = std::byte{0};
        unsigned sum = 0;
        for (const std::byte byte : bytes) sum += std::to_integer<unsigned>(byte);
        bytes[9] = std::byte(0x100 - (sum & 0xff));
    }
    (void)smmu::firmware::parse_mcfg(bytes);
    return 0;
}
