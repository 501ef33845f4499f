// SPDX-License-Identifier: Apache-2.0
// IortBytes: an IORT made by hand, node by node. Each call gives the offset of its node, which mappings lead to.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "tests/unit/firmware/acpi_bytes.hpp"

namespace smmu::test {

class IortBytes : public AcpiBytes {
public:
    IortBytes() : AcpiBytes("IORT", 48) { bytes_[40] = std::byte{48}; }  // where nodes begin
    struct Mapping {
        std::uint32_t input, count, output;
        std::size_t target;
    };
    std::size_t its() { return node(0, 24, {}, [&] { number(1, 4), number(0, 4); }); }
    std::size_t smmuv3(std::uint64_t base, bool coherent = false) {
        return node(4, 68, {}, [&] { number(base, 8), number(coherent, 4), number(0, 40); });
    }
    std::size_t smmuv2(std::uint64_t base, std::uint64_t span, bool coherent = false) {
        return node(3, 60, {}, [&] { number(base, 8), number(span, 8), number(3, 4), number(coherent ? 2 : 0, 4), number(0, 20); });
    }
    std::size_t root_complex(std::vector<Mapping> mappings) {
        return node(2, 36, std::move(mappings), [&] { number(0, 20); });
    }
    std::size_t component(const std::string& path, std::vector<Mapping> mappings) {
        return node(1, 30 + path.size(), std::move(mappings), [&] {
            number(0, 13);
            text(path);
            number(0, 1);
        });
    }
    std::size_t counters(std::uint64_t first_page, std::uint64_t second_page) {
        return node(5, 40, {}, [&] { number(first_page, 8), number(0, 8), number(second_page, 8); }, 1);
    }
    std::size_t reserved(std::uint64_t base, std::uint64_t length, std::vector<Mapping> mappings) {
        return node(6, 48, std::move(mappings), [&] { number(0, 4), number(1, 4), number(28, 4), number(base, 8), number(length, 8), number(0, 4); });
    }

private:
    // `fixed`: bytes before its mappings.
    template <class Body>
    std::size_t node(unsigned type, std::size_t fixed, std::vector<Mapping> mappings, Body body, unsigned revision = 0) {
        const std::size_t start = bytes_.size();
        number(type, 1), number(fixed + 20 * mappings.size(), 2), number(revision, 1), number(0, 4);
        number(mappings.size(), 4), number(mappings.empty() ? 0 : fixed, 4);
        body();
        bytes_.resize(start + fixed);
        for (const Mapping& mapping : mappings)
            number(mapping.input, 4), number(mapping.count - 1, 4), number(mapping.output, 4), number(mapping.target, 4), number(0, 4);
        bytes_[36] = std::byte(std::to_integer<unsigned>(bytes_[36]) + 1);  // how many nodes
        return start;
    }
};

}  // namespace smmu::test
