// SPDX-License-Identifier: Apache-2.0
#include "firmware/dmar.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "firmware/acpi_table.hpp"
#include "firmware/record_walker.hpp"

namespace smmu::firmware {
namespace {

using topology::Severity;

// Structure types and the bytes that each has before its scopes.
enum class Structure : std::uint32_t {
    drhd = 0,
    rmrr = 1,
    atsr = 2,
    rhsa = 3,
    andd = 4,
    satc = 5,
    sidp = 6
};
constexpr std::size_t dmar_fixed_bytes = 12;
constexpr std::size_t scope_fixed_bytes = 6;

std::size_t fixed_bytes(Structure type) {
    switch (type) {
        case Structure::drhd:
            return 16;
        case Structure::rmrr:
            return 24;
        case Structure::rhsa:
            return 20;
        case Structure::andd:
            return 9;  // at least the end of its path
        case Structure::atsr:
        case Structure::satc:
        case Structure::sidp:
            return 8;
    }
    return 0;
}

std::string_view name(Structure type) {
    constexpr std::string_view names[] = {"DRHD", "RMRR", "ATSR", "RHSA", "ANDD", "SATC", "SIDP"};
    return names[std::size_t(type)];
}

class DmarReader {
public:
    explicit DmarReader(const AcpiTable& table) : table_(table) {}

    Result<Dmar> read();

private:
    void finding(std::string_view id, Severity severity, std::size_t offset, std::string text) {
        dmar_.findings.push_back({std::string(id), severity, table_.at(offset), std::move(text)});
    }
    void read_structure(const Record& record);
    void read_drhd(const Record& record);
    void read_rmrr(const Record& record);
    void read_rhsa(const Record& record);
    void read_andd(const Record& record);
    AtsList read_list(const Record& record);
    std::vector<DeviceScope> read_scopes(const Record& record, std::size_t fixed);
    void read_scope(const Record& record, std::vector<DeviceScope>& scopes);
    void check_names();
    bool has_name(const DeviceScope& scope) const;

    const AcpiTable& table_;
    Dmar dmar_;
    std::size_t units_over_bound_ = 0;
};

Result<Dmar> DmarReader::read() {
    const auto width = table_.bytes.at<std::uint8_t>(acpi_header_bytes);
    const auto flags = table_.bytes.at<std::uint8_t>(acpi_header_bytes + 1);
    if (!width || !flags || table_.bytes.size() < acpi_header_bytes + dmar_fixed_bytes)
        return fail(EINVAL, "DMAR: the table ends before its first structure; it is refused");
    dmar_.host_address_width = *width + 1u;
    dmar_.interrupt_remapping = (*flags & 1) != 0;
    dmar_.x2apic_opt_out = (*flags & 2) != 0;
    dmar_.keep_dma_protected = (*flags & 4) != 0;

    RecordWalker walker(table_.body(dmar_fixed_bytes), acpi_header_bytes + dmar_fixed_bytes,
                        structure_shape);
    while (const auto record = walker.next()) read_structure(*record);
    if (walker.fault() == WalkFault::length_too_small)
        return fail(
            EINVAL,
            fmt::format("DMAR+{:#x}: a structure of which {}, so that no later one can be found; "
                        "the table is refused",
                        walker.position(), describe(walker.fault())));
    if (walker.fault() != WalkFault::none)
        finding("dmar-structure-cut", Severity::error, walker.position(),
                fmt::format("A structure is damaged: {}. It and all that follow are dropped.",
                            describe(walker.fault())));
    if (units_over_bound_ != 0)
        finding("dmar-too-many-units", Severity::error, acpi_header_bytes,
                fmt::format(
                    "The table names {} units more than the {} that are read; those are dropped.",
                    units_over_bound_, most_dmar_units));
    check_names();
    return std::move(dmar_);
}

void DmarReader::read_structure(const Record& record) {
    if (record.type > std::uint32_t(Structure::sidp)) {
        finding("dmar-structure-unknown", Severity::note, record.offset,
                fmt::format("A structure of type {} is not known; it is skipped.", record.type));
        return;
    }
    const auto type = Structure(record.type);
    if (record.bytes.size() < fixed_bytes(type)) {
        finding("dmar-structure-short", Severity::error, record.offset,
                fmt::format("The {} has {} bytes but needs {}; it is dropped.", name(type),
                            record.bytes.size(), fixed_bytes(type)));
        return;
    }
    switch (type) {
        case Structure::drhd:
            return read_drhd(record);
        case Structure::rmrr:
            return read_rmrr(record);
        case Structure::rhsa:
            return read_rhsa(record);
        case Structure::andd:
            return read_andd(record);
        case Structure::atsr:
            dmar_.root_ports.push_back(read_list(record));
            return;
        case Structure::satc:
            dmar_.chip_devices.push_back(read_list(record));
            return;
        case Structure::sidp:
            dmar_.properties.push_back(read_list(record));
            return;
    }
}

void DmarReader::read_drhd(const Record& record) {
    if (dmar_.units.size() == most_dmar_units) {
        ++units_over_bound_;
        return;
    }
    const auto flags = *record.bytes.at<std::uint8_t>(4);
    // Bits 3:0 give the size as 2^N pages; older tables have 0 there, which says the same as one
    // page.
    const unsigned size_log2 = 12 + (*record.bytes.at<std::uint8_t>(5) & 0xfu);
    const PhysAddr base{*record.bytes.at<std::uint64_t>(8)};
    if (base.value == 0) {
        finding(
            "dmar-drhd-base-zero", Severity::warning, record.offset,
            fmt::format(
                "A unit has register base 0, which firmware writes for a unit that is not there; "
                "it is "
                "dropped.{}",
                (flags & 1) != 0
                    ? " It was to take the rest of its segment: those devices are behind no unit "
                      "unless one is described by hand."
                    : ""));
        return;
    }
    const auto registers = PhysRange::from_length(base, std::uint64_t{1} << size_log2);
    if (!is_aligned(base, 12) || !registers) {
        finding("dmar-drhd-base-bad", Severity::error, record.offset,
                fmt::format("A unit's register base {:#x} with {} KiB {}; it is dropped. Describe "
                            "it by hand with "
                            "a unit line.",
                            base.value, (std::uint64_t{1} << size_log2) >> 10,
                            registers ? "is not at a page" : "wraps past the top of memory"));
        return;
    }
    Drhd unit{(flags & 1) != 0,
              *record.bytes.at<std::uint16_t>(6),
              *registers,
              size_log2 != 12,
              read_scopes(record, fixed_bytes(Structure::drhd)),
              table_.at(record.offset)};
    const auto same_base = [&](const Drhd& other) { return other.registers.first == base; };
    if (const auto twin = std::ranges::find_if(dmar_.units, same_base); twin != dmar_.units.end()) {
        // One set of registers is one unit, whatever the table says; what both name goes through
        // it.
        finding("dmar-drhd-base-twice", Severity::error, record.offset,
                fmt::format("Two units have the register base {:#x} (the other at {}); they are "
                            "taken as one. If "
                            "the machine has two, describe the second by hand with a unit line.",
                            base.value, twin->origin.text));
        twin->include_all = twin->include_all || unit.include_all;
        std::ranges::move(unit.scopes, std::back_inserter(twin->scopes));
        return;
    }
    dmar_.units.push_back(std::move(unit));
}

void DmarReader::read_rmrr(const Record& record) {
    const PhysAddr first{*record.bytes.at<std::uint64_t>(8)};
    const PhysAddr last{*record.bytes.at<std::uint64_t>(16)};
    if (last < first) {
        finding("dmar-rmrr-inverted", Severity::warning, record.offset,
                fmt::format("A reserved region ends at {:#x}, below its start {:#x}; it is "
                            "dropped. If a device "
                            "needs it, give it a reserved clause.",
                            last.value, first.value));
        return;
    }
    dmar_.reserved.push_back({*record.bytes.at<std::uint16_t>(6),
                              {first, last},
                              read_scopes(record, fixed_bytes(Structure::rmrr)),
                              table_.at(record.offset)});
}

void DmarReader::read_rhsa(const Record& record) {
    dmar_.proximity.push_back({PhysAddr{*record.bytes.at<std::uint64_t>(8)},
                               *record.bytes.at<std::uint32_t>(16), table_.at(record.offset)});
}

void DmarReader::read_andd(const Record& record) {
    Andd name{*record.bytes.at<std::uint8_t>(7), {}, table_.at(record.offset)};
    for (std::size_t i = 8; i < record.bytes.size(); ++i) {
        const auto c = *record.bytes.at<std::uint8_t>(i);
        if (c == 0) break;
        name.path += c >= 0x20 && c < 0x7f ? char(c) : '?';
    }
    dmar_.names.push_back(std::move(name));
}

AtsList DmarReader::read_list(const Record& record) {
    return {(*record.bytes.at<std::uint8_t>(4) & 1) != 0, *record.bytes.at<std::uint16_t>(6),
            read_scopes(record, 8), table_.at(record.offset)};
}

std::vector<DeviceScope> DmarReader::read_scopes(const Record& record, std::size_t fixed) {
    std::vector<DeviceScope> scopes;
    const auto area = record.bytes.slice(fixed, record.bytes.size() - fixed);
    if (!area) return scopes;
    RecordWalker walker(*area, record.offset + fixed, scope_shape);
    while (const auto scope = walker.next()) read_scope(*scope, scopes);
    if (walker.fault() != WalkFault::none)
        finding("dmar-scope-cut", Severity::error, walker.position(),
                fmt::format("A device scope is damaged: {}. It and those behind it in its "
                            "structure are dropped, "
                            "so their devices stay blocked or go to another unit.",
                            describe(walker.fault())));
    return scopes;
}

void DmarReader::read_scope(const Record& record, std::vector<DeviceScope>& scopes) {
    if (record.type < std::uint32_t(ScopeType::endpoint) ||
        record.type > std::uint32_t(ScopeType::name_space)) {
        finding(
            "dmar-scope-unknown", Severity::warning, record.offset,
            fmt::format("A device scope of type {:#x} is not known; it is skipped.", record.type));
        return;
    }
    if (record.bytes.size() < scope_fixed_bytes + 2) {
        finding("dmar-scope-no-path", Severity::error, record.offset,
                "A device scope has no path, so it names no device; it is dropped.");
        return;
    }
    DeviceScope scope{ScopeType(record.type),
                      *record.bytes.at<std::uint8_t>(4),
                      *record.bytes.at<std::uint8_t>(5),
                      {},
                      table_.at(record.offset)};
    // A byte left over behind the last whole hop means nothing.
    for (std::size_t i = scope_fixed_bytes; i + 2 <= record.bytes.size(); i += 2)
        scope.path.push_back(
            {*record.bytes.at<std::uint8_t>(i), *record.bytes.at<std::uint8_t>(i + 1)});
    const auto impossible = [](PathHop hop) { return hop.device > 31 || hop.function > 7; };
    if (std::ranges::any_of(scope.path, impossible)) {
        finding(
            "dmar-scope-path-bad", Severity::error, record.offset,
            "A device scope's path has a device above 31 or a function above 7; it is dropped.");
        return;
    }
    scopes.push_back(std::move(scope));
}

bool DmarReader::has_name(const DeviceScope& scope) const {
    return std::ranges::find(dmar_.names, scope.enumeration_id, &Andd::device_number) !=
           dmar_.names.end();
}

void DmarReader::check_names() {
    for (const Drhd& unit : dmar_.units)
        for (const DeviceScope& scope : unit.scopes)
            if (scope.type == ScopeType::name_space && !has_name(scope))
                dmar_.findings.push_back({"dmar-namespace-no-andd", Severity::warning, scope.origin,
                                          fmt::format("A scope names ACPI device {} but no ANDD "
                                                      "structure has that number; the device "
                                                      "is known by its bus address only.",
                                                      scope.enumeration_id)});
}

}  // namespace

Result<Dmar> parse_dmar(std::span<const std::byte> bytes) {
    SMMU_TRY(const AcpiTable table, open_table(bytes, "DMAR"));
    return DmarReader(table).read();
}

}  // namespace smmu::firmware
