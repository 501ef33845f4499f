// SPDX-License-Identifier: Apache-2.0
// The sentences in which a page table refuses a request: written once, for every format.
#pragma once

#include "base/result.hpp"
#include "paging/change.hpp"
#include "paging/format.hpp"

namespace smmu::paging::refused {

std::unexpected<Error> beyond_input(IovaRange range, unsigned input_bits);
std::unexpected<Error> misaligned(IovaRange range, unsigned granule_log2);
std::unexpected<Error> physical_misaligned(const Map& map, unsigned granule_log2);
std::unexpected<Error> beyond_output(const Map& map);
std::unexpected<Error> inexpressible(const Map& map);
std::unexpected<Error> maps_overlap(IovaRange range, IovaRange other);
std::unexpected<Error> already_mapped(IovaRange range);
std::unexpected<Error> busy();
std::unexpected<Error> geometry(const Geometry& geometry);

}  // namespace smmu::paging::refused
