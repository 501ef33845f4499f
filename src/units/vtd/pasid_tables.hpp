// SPDX-License-Identifier: Apache-2.0
// PasidTables: the PASID directory and table of one address space (scalable mode). Entry 0 alone is
// present; it is what requests without a PASID use. Written once, before a stream leads to it, and
// never changed: streams move from space to space by the pointer to the directory.
#pragma once

#include <optional>

#include "memory/arena.hpp"
#include "memory/gather.hpp"
#include "units/vtd/entries.hpp"

namespace smmu::units::vtd {

class PasidTables {
public:
    // Takes two frames on `account`.
    static Result<PasidTables> create(PhysAddr page_table, std::uint16_t domain,
                                      const Features& features, memory::Arena& arena,
                                      memory::Account& account);

    PhysAddr directory() const { return directory_.address(); }
    // For a flush of the space's domain, which is to follow.
    void retire(memory::Gather& gathered) noexcept;
    // For the end of the unit: hardware may go on using them.
    void release(std::vector<memory::Frame>& frames);

private:
    PasidTables(memory::Frame directory, memory::Frame table)
        : directory_(std::move(directory)), table_(std::move(table)) {}

    memory::Frame directory_, table_;
};

// Entry 0 behind a directory in `arena` that has the form above; nothing for any other. Foreign bytes
// may be read this way.
std::optional<PasidEntry> read_pasid_tables(PhysAddr directory, const Features& features,
                                            const memory::Arena& arena);

}  // namespace smmu::units::vtd
