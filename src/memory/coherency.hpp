// SPDX-License-Identifier: Apache-2.0
// Coherency: whether a unit's walks look into the CPU's caches, and what to do where they do not.
#pragma once

#include <cstddef>

namespace smmu::memory {

enum class Coherency : bool { not_snooped, snooped };

// Makes what the CPU wrote to these bytes visible to a walker that does not snoop (cache-line write-back and
// fence); for one that snoops, orders the stores before what follows.
void publish(Coherency coherency, const volatile void* start, std::size_t bytes) noexcept;

// The two halves of publish, for many pieces with one fence after the last.
void write_back(Coherency coherency, const volatile void* start, std::size_t bytes) noexcept;
void fence(Coherency coherency) noexcept;

// The other direction: what a device wrote to these bytes is seen by the CPU's next reads. For memory that the CPU does not
// write meanwhile.
void refresh(Coherency coherency, const volatile void* start, std::size_t bytes) noexcept;

}  // namespace smmu::memory
