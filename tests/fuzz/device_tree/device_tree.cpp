// SPDX-License-Identifier: Apache-2.0
// Fuzz: any bytes as a flattened device tree, with a header that fits them so that the fuzzer gets past it; then a
// survey of it, of which must hold what containment relies on.
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/assert.hpp"
#include "config/configuration.hpp"
#include "survey/survey.hpp"

namespace {

using smmu::PhysAddr;
using smmu::PhysRange;

constexpr std::size_t header_bytes = 40;
constexpr PhysRange memory{PhysAddr{0x40000000}, PhysAddr{0x4fffffff}};

void put32(std::vector<std::byte>& bytes, std::size_t at, std::size_t value) {
    for (std::size_t i = 0; i < 4; ++i) bytes[at + i] = std::byte(value >> (24 - 8 * i));
}

smmu::topology::PciTree small_tree() {
    smmu::topology::PciTree tree;
    smmu::topology::PciFunction first, second;
    second.address = {0, 1, 0, 0};
    second.message_interrupts = true;
    tree.functions = {first, second};
    return tree;
}

void check(const smmu::topology::Topology& topology) {
    for (const smmu::topology::Device& device : topology.devices) {
        for (const smmu::topology::Stream& stream : device.streams) {
            SMMU_ASSERT(raw(stream.unit) < topology.units.size());
            const auto& unit = topology.unit(stream.unit);
            SMMU_ASSERT(unit.kind != smmu::topology::UnitKind::ipmmu || smmu::topology::cache_of(stream.id) < unit.caches.size());
        }
        for (const smmu::topology::Grant& grant : device.grants) {
            if (!grant.honoured) continue;
            SMMU_ASSERT(grant.range.length() <= smmu::survey::largest_reserved_region);
            SMMU_ASSERT(grant.kind != smmu::topology::Grant::Kind::doorbell || !grant.range.overlaps(memory));
            for (const smmu::topology::Unit& unit : topology.units) SMMU_ASSERT(!grant.range.overlaps(unit.registers));
        }
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::vector<std::byte> bytes;
    for (std::size_t i = 0; i < size; ++i) bytes.push_back(std::byte(data[i]));
    if (size >= header_bytes) {
        put32(bytes, 0, 0xd00dfeed);
        put32(bytes, 4, size);
        put32(bytes, 20, 17);  // version, and the oldest that it fits
        put32(bytes, 24, 16);
    }
    const auto tree = small_tree();
    const auto configuration = smmu::config::defaults(smmu::config::Edition::plain);
    check(smmu::survey::survey({{{"dtb", bytes}}, tree, configuration, {memory}, {}, {}, {}}));
    return 0;
}
