// SPDX-License-Identifier: Apache-2.0
// Iort: which SMMU the DMA of a root complex or component goes through, and under which stream ids (Arm DEN 0049, IO
// Remapping Table, revisions 0 to E.f).
#pragma once

#include <cstddef>
#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "base/ids.hpp"
#include "base/range.hpp"
#include "base/result.hpp"
#include "topology/topology.hpp"

namespace smmu::firmware {

// Node types, as the table numbers them.
enum class IortKind : std::uint8_t {
    its_group = 0,
    named_component = 1,
    root_complex = 2,
    smmu_v1_v2 = 3,
    smmu_v3 = 4,
    counters = 5,         // PMCG
    reserved_memory = 6,  // RMR
};
std::string_view name(IortKind kind);

// Ids first_input .. last_input of a node leave it as first_output and on, towards another node. A single mapping takes
// whatever comes in.
struct IdMapping {
    std::uint32_t first_input = 0, last_input = 0;
    std::uint32_t first_output = 0;
    std::size_t target = 0;  // index of a node
    bool single = false;
    topology::Origin origin;
};

struct IortRange {
    PhysRange range;
    topology::Origin origin;
};

// Members that a kind does not have are as they begin.
struct IortNode {
    IortKind kind{};
    topology::Origin origin;
    std::vector<IdMapping> mappings;
    PhysAddr base{};                           // of an SMMU's registers
    std::uint64_t register_bytes = 0;          // of a v1 or v2; 0: what the table says cannot be
    std::uint32_t model = 0;                   // of an SMMU
    bool says_coherent = false;                // of an SMMU: walks snoop, whatever its registers say
    std::uint16_t segment = 0;                 // of a root complex
    std::string path;                          // of a component: its name in the ACPI name space
    std::vector<std::uint32_t> its;            // identifiers of a group
    std::vector<IortRange> reserved;           // of reserved memory
    std::vector<IortRange> counter_pages;      // registers of a PMCG
};

struct IortStream {
    std::size_t smmu;  // index of its node
    StreamId id;
    topology::Origin origin;
};

struct Iort {
    std::vector<IortNode> nodes;  // mappings lead from those that issue DMA to SMMUs, and from both to ITS groups: no cycles
    std::vector<topology::Finding> findings;

    // Under which streams, and at which SMMUs, DMA with this id of a node may arrive: one, unless the table contradicts
    // itself. None when it goes around every SMMU, or when another mapping says that it does.
    std::vector<IortStream> streams_of(const IortNode& node, std::uint32_t id) const;
    // The same for a PCI function: its requester id at the root complex of its segment.
    std::vector<IortStream> streams_of(std::uint16_t segment, StreamId requester) const;
    // Identifiers of the translation services that the messages of a PCI function go to, by way of SMMUs or around them.
    std::set<std::uint32_t> its_of(std::uint16_t segment, StreamId requester) const;
    // All streams that DMA of a component may arrive under, whichever of its ids it has: at most most_component_streams.
    std::vector<IortStream> streams_of_component(const IortNode& node) const;

private:
    void add_its(const IortNode& node, std::uint32_t id, std::set<std::uint32_t>& its) const;
};

inline constexpr std::size_t most_iort_nodes = 1024;
inline constexpr std::size_t most_iort_mappings = 4096;  // of one node
inline constexpr std::uint64_t most_smmu_register_bytes = std::uint64_t{32} << 20;  // of a v1 or v2 (Arm IHI 0062, IDR1)
inline constexpr std::size_t most_component_streams = 256;
inline constexpr std::size_t longest_component_path = 255;

// EINVAL when the table as a whole cannot be trusted; the text says why.
Result<Iort> parse_iort(std::span<const std::byte> bytes);

}  // namespace smmu::firmware
