// SPDX-License-Identifier: Apache-2.0
#include "paging/request_errors.hpp"

#include <fmt/format.h>

namespace smmu::paging::refused {
namespace {

std::string name(IovaRange range) {
    return fmt::format("device addresses {:#x}-{:#x}", range.first.value, range.last.value);
}

}  // namespace

std::unexpected<Error> beyond_input(IovaRange range, unsigned input_bits) {
    return fail(ERANGE, fmt::format("{}: the unit translates {} bits; stay below {:#x}", name(range), input_bits,
                                    std::uint64_t{1} << input_bits));
}

std::unexpected<Error> misaligned(IovaRange range, unsigned granule_log2) {
    return fail(EINVAL, fmt::format("{}: not whole pages of {:#x} bytes; align both ends", name(range),
                                    std::uint64_t{1} << granule_log2));
}

std::unexpected<Error> physical_misaligned(const Map& map, unsigned granule_log2) {
    return fail(EINVAL, fmt::format("{}: memory at {:#x} does not begin at a page of {:#x} bytes; align it",
                                    name(map.range), map.physical.value, std::uint64_t{1} << granule_log2));
}

std::unexpected<Error> beyond_output(const Map& map) {
    return fail(ERANGE, fmt::format("{}: memory from {:#x} on lies beyond what a table entry can say; use lower memory",
                                    name(map.range), map.physical.value));
}

std::unexpected<Error> inexpressible(const Map& map) {
    return fail(EINVAL, fmt::format("{}: the unit cannot grant access {:#x} alone; ask for a combination it knows",
                                    name(map.range), static_cast<unsigned>(map.access)));
}

std::unexpected<Error> maps_overlap(IovaRange range, IovaRange other) {
    return fail(EINVAL, fmt::format("{}: overlaps {} of the same request; map each page once", name(range),
                                    name(other)));
}

std::unexpected<Error> already_mapped(IovaRange range) {
    return fail(EINVAL, fmt::format("{}: mapped already, in part or whole; unmap it in the same request",
                                    name(range)));
}

std::unexpected<Error> busy() {
    return fail(EBUSY, "page table: a request is prepared and not finished; commit or abandon it first");
}

std::unexpected<Error> geometry(const Geometry& geometry) {
    return fail(EINVAL, fmt::format("page table: the format has no tables of {} levels, {} input bits and leaf sizes "
                                    "{:#x}; check the unit's capabilities", geometry.levels, geometry.input_bits,
                                    geometry.leaf_sizes));
}

}  // namespace smmu::paging::refused
