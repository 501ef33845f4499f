// SPDX-License-Identifier: Apache-2.0
#include "firmware/iort.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cctype>
#include <map>
#include <set>
#include <utility>

#include "firmware/acpi_table.hpp"

namespace smmu::firmware {
namespace {

using topology::Severity;

constexpr std::size_t fixed_bytes = 12;         // behind the header: count, offset, reserved
constexpr std::size_t node_header_bytes = 16;
constexpr std::size_t mapping_bytes = 20;
constexpr std::size_t reserved_range_bytes = 20;
constexpr std::uint32_t single_mapping = 1;
constexpr std::uint64_t page_bytes = 4096;

// Bytes that a node has at least, its header too.
std::size_t least_bytes(IortKind kind) {
    switch (kind) {
        case IortKind::its_group: return 20;
        case IortKind::named_component: return 29;
        case IortKind::root_complex: return 32;
        case IortKind::smmu_v1_v2: return 60;
        case IortKind::smmu_v3: return 60;
        case IortKind::counters: return 32;
        case IortKind::reserved_memory: return 28;
    }
    return node_header_bytes;
}

bool issues_dma(IortKind kind) {
    return kind == IortKind::named_component || kind == IortKind::root_complex || kind == IortKind::reserved_memory;
}
bool is_smmu(IortKind kind) { return kind == IortKind::smmu_v1_v2 || kind == IortKind::smmu_v3; }

// What names of the ACPI name space are made of; some tables write them in small letters.
bool is_of_a_path(unsigned char letter) { return std::isalnum(letter) != 0 || letter == '_' || letter == '.' || letter == '\\' || letter == '^'; }

class IortReader {
public:
    explicit IortReader(const AcpiTable& table) : table_(table) {}

    Result<Iort> read() {
        const auto count = table_.bytes.at<std::uint32_t>(acpi_header_bytes);
        const auto first = table_.bytes.at<std::uint32_t>(acpi_header_bytes + 4);
        if (!count || !first || table_.bytes.size() < acpi_header_bytes + fixed_bytes)
            return fail(EINVAL, "IORT: the table ends before its first node; it is refused");
        if (*first < acpi_header_bytes + fixed_bytes || *first > table_.bytes.size())
            return fail(EINVAL, fmt::format("IORT: its nodes are said to begin at {:#x}, outside the table; it is refused", *first));
        if (table_.sum_is_wrong)
            finding("iort-sum-wrong", Severity::warning, 0,
                    "The bytes of the table do not sum to 0, as on some machines that are sold; it is read all the same. Look at "
                    "what it says, and describe units and devices by hand if it is damaged.");
        walk_nodes(*first, *count);
        for (Pending& pending : pending_) read_mappings(pending);
        return std::move(iort_);
    }

private:
    // A node whose mappings wait until every node is known.
    struct Pending {
        std::size_t node;
        std::size_t offset;
        ByteReader bytes;
    };

    void finding(std::string_view id, Severity severity, std::size_t offset, std::string text) {
        iort_.findings.push_back({std::string(id), severity, table_.at(offset), std::move(text)});
    }

    void walk_nodes(std::size_t at, std::uint32_t count) {
        std::uint32_t seen = 0;
        for (; seen < count && at < table_.bytes.size(); ++seen) {
            const auto length = table_.bytes.at<std::uint16_t>(at + 1);
            const auto bytes = length ? table_.bytes.slice(at, *length) : std::nullopt;
            if (!bytes || *length < node_header_bytes) {
                finding("iort-node-cut", Severity::error, at, "A node is damaged: its length is impossible. It and all that follow are dropped.");
                return;
            }
            if (iort_.nodes.size() == most_iort_nodes) {
                finding("iort-too-many-nodes", Severity::error, at, fmt::format("The table has more than {} nodes; the others are dropped.", most_iort_nodes));
                return;
            }
            read_node(at, *bytes);
            at += *length;
        }
        if (seen != count)
            finding("iort-count-wrong", Severity::error, acpi_header_bytes,
                    fmt::format("The table says that it has {} nodes, but {} are there; units may be missing.", count, seen));
    }

    void read_node(std::size_t offset, const ByteReader& bytes) {
        const auto type = *bytes.at<std::uint8_t>(0);
        if (type > std::uint8_t(IortKind::reserved_memory)) {
            finding("iort-node-unknown", Severity::note, offset, fmt::format("A node of type {} is not known; it is skipped.", type));
            return;
        }
        const auto kind = IortKind(type);
        if (bytes.size() < least_bytes(kind)) {
            finding("iort-node-short", Severity::error, offset,
                    fmt::format("The {} node has {} bytes but needs {}; it is dropped.", name(kind), bytes.size(), least_bytes(kind)));
            return;
        }
        IortNode node;
        node.kind = kind;
        node.origin = table_.at(offset);
        if (!read_members(node, offset, bytes)) return;
        index_.emplace(offset, iort_.nodes.size());
        pending_.push_back({iort_.nodes.size(), offset, bytes});
        iort_.nodes.push_back(std::move(node));
    }

    // False when the node cannot be used at all.
    bool read_members(IortNode& node, std::size_t offset, const ByteReader& bytes) {
        switch (node.kind) {
            case IortKind::its_group: return read_its(node, offset, bytes);
            case IortKind::named_component: return read_path(node, offset, bytes);
            case IortKind::root_complex: {
                const auto segment = *bytes.at<std::uint32_t>(28);
                node.segment = std::uint16_t(segment);
                if (segment <= 0xffff) return true;
                finding("iort-segment-bad", Severity::error, offset, fmt::format("A root complex has PCI segment {:#x}; it is dropped.", segment));
                return false;
            }
            case IortKind::smmu_v1_v2:
                node.register_bytes = read_span(offset, bytes);
                node.model = *bytes.at<std::uint32_t>(32);
                node.says_coherent = (*bytes.at<std::uint32_t>(36) & 2) != 0;
                check_interrupts(offset, bytes);
                return read_base(node, offset, bytes);
            case IortKind::smmu_v3:
                node.says_coherent = (*bytes.at<std::uint32_t>(24) & 1) != 0;
                node.model = *bytes.at<std::uint32_t>(40);
                return read_base(node, offset, bytes);
            case IortKind::counters: return read_counters(node, offset, bytes);
            case IortKind::reserved_memory: return read_reserved(node, offset, bytes);
        }
        return false;
    }

    bool read_base(IortNode& node, std::size_t offset, const ByteReader& bytes) {
        node.base = PhysAddr{*bytes.at<std::uint64_t>(16)};
        if (node.base.value == 0) {
            finding("iort-smmu-base-zero", Severity::warning, offset,
                    "An SMMU has register base 0, which firmware writes for a unit that is not there; it is dropped, and devices that "
                    "go through it are behind no unit.");
            return false;
        }
        if (is_aligned(node.base, 12)) return true;
        finding("iort-smmu-base-bad", Severity::error, offset,
                fmt::format("An SMMU's register base {:#x} is not at a page; it is dropped. Describe it by hand with a unit line.", node.base.value));
        return false;
    }

    // The unit itself says how long its registers are; until it is asked, what the table says counts if it can be.
    std::uint64_t read_span(std::size_t offset, const ByteReader& bytes) {
        const auto base = *bytes.at<std::uint64_t>(16), span = *bytes.at<std::uint64_t>(24);
        const bool possible = span <= most_smmu_register_bytes && span % page_bytes == 0 && PhysRange::from_length(PhysAddr{base}, span);
        if (!possible)
            finding("iort-smmu-span-bad", Severity::warning, offset,
                    fmt::format("An SMMU is said to have {:#x} bytes of registers at {:#x}, which cannot be; what the unit says of itself counts.", span, base));
        else if (!std::has_single_bit(span))
            finding("iort-smmu-span-odd", Severity::note, offset,
                    fmt::format("An SMMU is said to have {:#x} bytes of registers, which is no power of two; what the unit says of itself counts where it is more.", span));
        return possible ? span : 0;
    }

    // Whoever writes there makes the counters send an interrupt message to any address.
    bool read_counters(IortNode& node, std::size_t offset, const ByteReader& bytes) {
        const auto add = [&](std::size_t at) {
            const PhysAddr base{bytes.at<std::uint64_t>(at).value_or(0)};
            if (const auto page = PhysRange::from_length(base, page_bytes); page && base.value != 0 && is_aligned(base, 12))
                node.counter_pages.push_back({*page, table_.at(offset + at)});
            else
                finding("iort-counters-base-bad", Severity::warning, offset,
                        fmt::format("Counters of a unit are said to be at {:#x}, which cannot be; that page is not protected.", base.value));
        };
        constexpr unsigned revision_with_second_page = 1;
        add(16);
        if (*bytes.at<std::uint8_t>(3) >= revision_with_second_page) add(32);
        return true;
    }

    // The interrupts are not used: this driver polls. A count that leaves the node tells of damage.
    void check_interrupts(std::size_t offset, const ByteReader& bytes) {
        constexpr std::size_t interrupt_bytes = 8;
        const std::uint64_t count = *bytes.at<std::uint32_t>(44), at = *bytes.at<std::uint32_t>(48);
        if (at + count * interrupt_bytes > bytes.size())
            finding("iort-interrupts-bad", Severity::warning, offset, fmt::format("An SMMU is said to have {} context interrupts, which leave its node; they are not used.", count));
    }

    bool read_its(IortNode& node, std::size_t offset, const ByteReader& bytes) {
        const std::uint64_t count = *bytes.at<std::uint32_t>(16);
        const std::uint64_t there = std::min<std::uint64_t>(count, (bytes.size() - 20) / 4);
        if (there != count)
            finding("iort-its-count-bad", Severity::warning, offset, fmt::format("An ITS group is said to have {} identifiers, but {} fit; the others are dropped.", count, there));
        for (std::size_t i = 0; i < there; ++i) node.its.push_back(*bytes.at<std::uint32_t>(20 + 4 * i));
        return true;
    }

    bool read_path(IortNode& node, std::size_t offset, const ByteReader& bytes) {
        const auto map_at = *bytes.at<std::uint32_t>(12);
        const auto map_count = *bytes.at<std::uint32_t>(8);
        const std::size_t end = map_count != 0 ? std::min<std::size_t>(map_at, bytes.size()) : bytes.size();
        for (std::size_t at = 29; at < end; ++at) {
            const auto letter = *bytes.at<std::uint8_t>(at);
            if (letter == 0) return true;
            if (!is_of_a_path(letter) || node.path.size() == longest_component_path) break;
            node.path.push_back(char(letter));
        }
        finding("iort-name-bad", Severity::warning, offset, fmt::format("The name of a component is too long, not ended, or has letters that ACPI does not have ('{}'); its mappings count all the same.", node.path));
        return true;
    }

    bool read_reserved(IortNode& node, std::size_t offset, const ByteReader& bytes) {
        const std::uint64_t count = *bytes.at<std::uint32_t>(20), at = *bytes.at<std::uint32_t>(24);
        for (std::uint64_t i = 0; i < count; ++i) {
            const std::uint64_t here = at + i * reserved_range_bytes;
            const auto base = bytes.at<std::uint64_t>(here);
            const auto length = bytes.at<std::uint64_t>(here + 8);
            if (!base || !length) {
                finding("iort-rmr-cut", Severity::warning, offset, fmt::format("Reserved memory is said to have {} ranges, but {} fit; the others are dropped.", count, i));
                return true;
            }
            const auto range = PhysRange::from_length(PhysAddr{*base}, *length);
            if (!range || !is_aligned(range->first, 12) || (*length & 0xfff) != 0) {
                finding("iort-rmr-bad", Severity::warning, offset + here, fmt::format("The reserved range {:#x}, {:#x} bytes long, is not whole pages or wraps; it stays blocked. If a device needs it, add `reserved` to its line.", *base, *length));
                continue;
            }
            node.reserved.push_back({*range, table_.at(offset + here)});
        }
        return true;
    }

    void read_mappings(const Pending& pending) {
        const std::uint64_t count = *pending.bytes.at<std::uint32_t>(8), at = *pending.bytes.at<std::uint32_t>(12);
        IortNode& node = iort_.nodes[pending.node];
        if (count != 0 && at < least_bytes(node.kind) && node.kind != IortKind::named_component) {
            finding("iort-mappings-cut", Severity::error, pending.offset,
                    fmt::format("The mappings of the {} node are said to lie inside its own members; they are dropped.", name(node.kind)));
            return;
        }
        for (std::uint64_t i = 0; i < count; ++i) {
            const std::uint64_t here = at + i * mapping_bytes;
            const auto bytes = pending.bytes.slice(here, mapping_bytes);
            if (!bytes || i == most_iort_mappings) {
                finding("iort-mappings-cut", Severity::error, pending.offset, fmt::format("The {} node is said to have {} mappings, but {} can be read; the others are dropped.", name(node.kind), count, i));
                return;
            }
            read_mapping(node, pending.offset + here, *bytes);
        }
    }

    void read_mapping(IortNode& node, std::size_t offset, const ByteReader& bytes) {
        IdMapping mapping;
        mapping.first_input = *bytes.at<std::uint32_t>(0);
        const std::uint32_t more = *bytes.at<std::uint32_t>(4);
        mapping.first_output = *bytes.at<std::uint32_t>(8);
        mapping.single = (*bytes.at<std::uint32_t>(16) & single_mapping) != 0;
        mapping.origin = table_.at(offset);
        mapping.last_input = mapping.first_input + (mapping.single ? 0 : more);
        const bool wraps = mapping.last_input < mapping.first_input ||
                           (!mapping.single && mapping.first_output + more < mapping.first_output);
        if (wraps) return drop(offset, "its ids wrap");
        const auto target = index_.find(*bytes.at<std::uint32_t>(12));
        if (target == index_.end()) return drop(offset, "it leads to no node");
        mapping.target = target->second;
        const IortKind to = iort_.nodes[mapping.target].kind;
        const bool sound = to == IortKind::its_group || (issues_dma(node.kind) && is_smmu(to));
        if (!sound) return drop(offset, fmt::format("a {} does not lead to a {}", name(node.kind), name(to)));
        const auto contradicts = [&](const IdMapping& other) {
            return !other.single && !mapping.single && other.first_input <= mapping.last_input &&
                   mapping.first_input <= other.last_input &&
                   (other.target != mapping.target || other.first_output - other.first_input != mapping.first_output - mapping.first_input);
        };
        if (const auto other = std::ranges::find_if(node.mappings, contradicts); other != node.mappings.end())
            finding("iort-mapping-overlap", Severity::warning, offset,
                    fmt::format("This id mapping and the one at {} say different things of the same ids. Their devices get the streams "
                                "of both, or are behind no unit where one goes around every SMMU; say `use` on their lines if that "
                                "is not so.", other->origin.text));
        node.mappings.push_back(mapping);
    }

    void drop(std::size_t offset, const std::string& why) {
        finding("iort-mapping-bad", Severity::error, offset, fmt::format("An id mapping is dropped: {}. Devices with these ids are behind no unit unless their lines say `use`.", why));
    }

    const AcpiTable& table_;
    Iort iort_;
    std::map<std::size_t, std::size_t> index_;  // node at an offset
    std::vector<Pending> pending_;
};

}  // namespace

std::string_view name(IortKind kind) {
    constexpr std::string_view names[] = {"ITS group", "named component", "root complex", "SMMUv1/v2", "SMMUv3", "PMCG", "reserved memory"};
    return names[std::size_t(kind)];
}

std::vector<IortStream> Iort::streams_of(const IortNode& node, std::uint32_t id) const {
    std::vector<IortStream> streams;
    for (const IdMapping& mapping : node.mappings) {
        if (!mapping.single && (id < mapping.first_input || id > mapping.last_input)) continue;
        if (!is_smmu(nodes[mapping.target].kind)) return {};
        const std::uint32_t distance = mapping.single ? 0 : id - mapping.first_input;
        streams.push_back({mapping.target, StreamId(mapping.first_output + distance), mapping.origin});
    }
    return streams;
}

std::vector<IortStream> Iort::streams_of(std::uint16_t segment, StreamId requester) const {
    std::vector<IortStream> streams;
    for (const IortNode& node : nodes) {
        if (node.kind != IortKind::root_complex || node.segment != segment) continue;
        std::ranges::move(streams_of(node, raw(requester)), std::back_inserter(streams));
    }
    return streams;
}

// Single mappings of an SMMU are for its own messages. Mappings lead downwards only, so this ends.
void Iort::add_its(const IortNode& node, std::uint32_t id, std::set<std::uint32_t>& its) const {
    for (const IdMapping& mapping : node.mappings) {
        if (mapping.single ? is_smmu(node.kind) : id < mapping.first_input || id > mapping.last_input) continue;
        const IortNode& target = nodes[mapping.target];
        its.insert(target.its.begin(), target.its.end());
        add_its(target, mapping.first_output + (mapping.single ? 0 : id - mapping.first_input), its);
    }
}

std::set<std::uint32_t> Iort::its_of(std::uint16_t segment, StreamId requester) const {
    std::set<std::uint32_t> its;
    for (const IortNode& node : nodes)
        if (node.kind == IortKind::root_complex && node.segment == segment) add_its(node, raw(requester), its);
    return its;
}

std::vector<IortStream> Iort::streams_of_component(const IortNode& node) const {
    std::vector<IortStream> streams;
    std::set<std::pair<std::size_t, std::uint32_t>> known;
    for (const IdMapping& mapping : node.mappings) {
        if (!is_smmu(nodes[mapping.target].kind)) continue;
        const std::uint64_t ids = std::uint64_t{mapping.last_input} - mapping.first_input + 1;
        for (std::uint64_t i = 0; i < ids; ++i) {
            const std::uint32_t id = std::uint32_t(mapping.first_output + i);
            if (!known.emplace(mapping.target, id).second) continue;
            if (streams.size() == most_component_streams) return streams;
            streams.push_back({mapping.target, StreamId(id), mapping.origin});
        }
    }
    return streams;
}

Result<Iort> parse_iort(std::span<const std::byte> bytes) {
    SMMU_TRY(const AcpiTable table, open_table(bytes, "IORT", WrongSum::tolerated));
    return IortReader(table).read();
}

}  // namespace smmu::firmware
