// SPDX-License-Identifier: Apache-2.0
#include "firmware/madt.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "firmware/acpi_table.hpp"
#include "firmware/record_walker.hpp"

namespace smmu::firmware {
namespace {

using topology::Severity;

constexpr std::size_t madt_fixed_bytes = 8;

enum class Structure : std::uint32_t {
    cpu_interface = 0x0b,
    distributor = 0x0c,
    message_frame = 0x0d,
    redistributor = 0x0e,
    translation_service = 0x0f,
};

constexpr std::uint64_t frame_bytes = 0x10000;      // of GICv3 and later
constexpr std::uint64_t old_frame_bytes = 0x1000;   // of GICv2: distributor, control and message frames
constexpr std::uint64_t old_interface_bytes = 0x2000;
constexpr unsigned version_with_virtual_frames = 4;

std::size_t fixed_bytes(std::uint32_t type) {
    switch (Structure(type)) {
        case Structure::cpu_interface: return 76;
        case Structure::distributor: return 24;
        case Structure::message_frame: return 24;
        case Structure::redistributor: return 16;
        case Structure::translation_service: return 20;
    }
    return 0;  // of x86 and others: not read
}

class MadtReader {
public:
    explicit MadtReader(const AcpiTable& table) : table_(table) {}

    Result<Madt> read();

private:
    void finding(std::string_view id, Severity severity, std::size_t offset, std::string text) {
        madt_.findings.push_back({std::string(id), severity, table_.at(offset), std::move(text)});
    }
    void read_structure(const Record& record);
    void add_frame(GicFrame::Kind kind, const Record& record, std::uint64_t base, std::uint64_t bytes);
    void add_cpu_interface(const Record& record);
    void add_service(const Record& record);
    void add_message_frame(const Record& record);
    unsigned find_version() const;
    std::uint64_t address(const Record& record, std::size_t at) const { return record.bytes.at<std::uint64_t>(at).value_or(0); }
    std::uint64_t redistributor_bytes() const { return (version_ >= version_with_virtual_frames ? 4 : 2) * frame_bytes; }

    const AcpiTable& table_;
    Madt madt_;
    unsigned version_ = 0;  // of the architecture; 0: the table does not say
    std::set<std::pair<std::uint64_t, std::uint64_t>> known_;  // base and length: processors share frames
    std::size_t over_bound_ = 0;
};

unsigned MadtReader::find_version() const {
    RecordWalker walker(table_.body(madt_fixed_bytes), acpi_header_bytes + madt_fixed_bytes, scope_shape);
    while (const auto record = walker.next())
        if (record->type == std::uint32_t(Structure::distributor)) return record->bytes.at<std::uint8_t>(20).value_or(0);
    return 0;
}

Result<Madt> MadtReader::read() {
    if (table_.bytes.size() < acpi_header_bytes + madt_fixed_bytes)
        return fail(EINVAL, "APIC: the table ends before its first structure; it is refused");
    version_ = find_version();  // says how long other frames are, wherever it stands
    RecordWalker walker(table_.body(madt_fixed_bytes), acpi_header_bytes + madt_fixed_bytes, scope_shape);
    while (const auto record = walker.next()) read_structure(*record);
    if (walker.fault() != WalkFault::none)
        finding("madt-structure-cut", Severity::warning, walker.position(),
                fmt::format("A structure is damaged: {}. It and all that follow are dropped, so that interrupt controllers may be "
                            "unprotected.",
                            describe(walker.fault())));
    if (over_bound_ != 0)
        finding("madt-too-many-frames", Severity::warning, acpi_header_bytes,
                fmt::format("The table names {} frames more than the {} that are read; those are dropped.", over_bound_,
                            most_gic_frames));
    return std::move(madt_);
}

void MadtReader::read_structure(const Record& record) {
    const std::size_t needed = fixed_bytes(record.type);
    if (needed == 0) return;
    if (record.bytes.size() < needed) {
        finding("madt-structure-short", Severity::warning, record.offset,
                fmt::format("A structure of type {:#x} has {} bytes but needs {}; it is dropped.", record.type, record.bytes.size(),
                            needed));
        return;
    }
    switch (Structure(record.type)) {
        case Structure::cpu_interface: return add_cpu_interface(record);
        case Structure::distributor:
            // A table that does not say the version gets the longer frame: what follows is no memory of anybody.
            return add_frame(GicFrame::Kind::distributor, record, address(record, 8),
                             version_ == 1 || version_ == 2 ? old_frame_bytes : frame_bytes);
        case Structure::redistributor:
            return add_frame(GicFrame::Kind::redistributor, record, address(record, 4),
                             record.bytes.at<std::uint32_t>(12).value_or(0));
        case Structure::translation_service: return add_service(record);
        case Structure::message_frame: return add_message_frame(record);
    }
}

void MadtReader::add_frame(GicFrame::Kind kind, const Record& record, std::uint64_t base, std::uint64_t bytes) {
    const auto range = PhysRange::from_length(PhysAddr{base}, bytes);
    if (!range || !is_aligned(range->first, 12)) {
        finding("madt-frame-bad", Severity::warning, record.offset,
                fmt::format("A {} at {:#x} with {:#x} bytes {}; it is dropped and not protected.", name(kind), base, bytes,
                            range ? "does not begin at a page" : "is empty or wraps past the top of memory"));
        return;
    }
    if (!known_.emplace(base, bytes).second) return;
    if (madt_.frames.size() == most_gic_frames) {
        ++over_bound_;
        return;
    }
    madt_.frames.push_back({kind, *range, table_.at(record.offset)});
}

// What a processor has: its part of a GICv2, or its redistributor when no other structure covers it.
void MadtReader::add_cpu_interface(const Record& record) {
    constexpr std::size_t own = 32, of_guests = 40, of_hypervisor = 48, redistributor = 60;
    for (const std::size_t at : {own, of_guests, of_hypervisor})
        if (const auto base = address(record, at); base != 0)
            add_frame(GicFrame::Kind::cpu_interface, record, base, old_interface_bytes);
    if (const auto base = address(record, redistributor); base != 0)
        add_frame(GicFrame::Kind::redistributor, record, base, redistributor_bytes());
}

void MadtReader::add_service(const Record& record) {
    const auto id = record.bytes.at<std::uint32_t>(4).value_or(0);
    const std::uint64_t base = address(record, 8);
    const auto all = PhysRange::from_length(PhysAddr{base}, 4 * frame_bytes);
    if (base == 0 || !is_aligned(PhysAddr{base}, 16) || !all) {
        finding("madt-its-bad", Severity::warning, record.offset,
                fmt::format("The interrupt translation service {} has its registers at {:#x}, which cannot be; it is dropped and "
                            "no device gets interrupts from it.",
                            id, base));
        return;
    }
    if (madt_.services.size() == most_gic_frames) {
        ++over_bound_;
        return;
    }
    if (const auto twin = std::ranges::find(madt_.services, id, &TranslationService::id); twin != madt_.services.end()) {
        finding("madt-its-twice", Severity::warning, record.offset,
                fmt::format("Two interrupt translation services have the number {}; the one at {} counts.", id, twin->origin.text));
        return;
    }
    // The control frame, the frame with the doorbell, and in later versions one for virtual interrupts.
    add_frame(GicFrame::Kind::translation_service, record, base, frame_bytes);
    if (version_ >= version_with_virtual_frames)
        add_frame(GicFrame::Kind::translation_service, record, base + 2 * frame_bytes, 2 * frame_bytes);
    const PhysAddr doorbell{base + frame_bytes};
    madt_.services.push_back({id, {doorbell, doorbell + (frame_bytes - 1)}, table_.at(record.offset)});
}

void MadtReader::add_message_frame(const Record& record) {
    const auto id = record.bytes.at<std::uint32_t>(4).value_or(0);
    const auto page = PhysRange::from_length(PhysAddr{address(record, 8)}, old_frame_bytes);
    if (!page || page->first.value == 0 || !is_aligned(page->first, 12)) {
        finding("madt-message-frame-bad", Severity::warning, record.offset,
                fmt::format("The message frame {} is at {:#x}, which cannot be; it is dropped and no device gets interrupts from it.",
                            id, address(record, 8)));
        return;
    }
    if (madt_.message_frames.size() == most_gic_frames) {
        ++over_bound_;
        return;
    }
    if (std::ranges::find(madt_.message_frames, *page, &MessageFrame::doorbell) != madt_.message_frames.end()) return;
    madt_.message_frames.push_back({id, *page, table_.at(record.offset)});
}

}  // namespace

std::string_view name(GicFrame::Kind kind) {
    switch (kind) {
        case GicFrame::Kind::distributor: return "distributor";
        case GicFrame::Kind::redistributor: return "redistributor";
        case GicFrame::Kind::cpu_interface: return "processor interface";
        case GicFrame::Kind::translation_service: return "interrupt translation service";
    }
    return "unknown";
}

Result<Madt> parse_madt(std::span<const std::byte> bytes) {
    SMMU_TRY(const AcpiTable table, open_table(bytes, "APIC"));
    return MadtReader(table).read();
}

}  // namespace smmu::firmware
