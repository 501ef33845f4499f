// SPDX-License-Identifier: Apache-2.0
// KeptTables: table memory of huge pages. Made once in a boot; the holder keeps it, and every later service finds it there.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "holder/deposit.hpp"
#include "memory/arena.hpp"
#include "platform/linux/host_files.hpp"
#include "platform/linux/huge_file.hpp"

namespace smmu::platform::linux {

class KeptTables {
public:
    // What the holder keeps, or `bytes` made anew and given to it. ENOMEM: too few huge pages, or too few in a row; EINVAL:
    // what an earlier service of this boot made is smaller.
    static Result<KeptTables> open(const HostFiles& files, const std::string& holder_socket, std::uint64_t bytes);

    memory::TableMemory memory() const { return {range_, view_.bytes()}; }

private:
    static Result<KeptTables> make(const HostFiles& files, std::uint64_t pages);
    static Result<KeptTables> from(holder::Deposit deposit);
    Result<void> take(const HostFiles& files, const UniqueFd& file, std::span<const std::uint32_t> all, std::uint64_t pages);
    Result<void> locate(const HostFiles& files);

    holder::Deposit deposit_;  // the file, then what pins its pages; the note says which pages, in the order of their addresses
    HugeView view_;
    PhysRange range_{};
};

}  // namespace smmu::platform::linux
