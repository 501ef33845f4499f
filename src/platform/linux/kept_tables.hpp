// SPDX-License-Identifier: Apache-2.0
// KeptTables: table memory of huge pages. Made once in a boot; the holder keeps it, and every later service finds it there.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "holder/client.hpp"
#include "memory/arena.hpp"
#include "platform/linux/host_files.hpp"
#include "platform/linux/huge_file.hpp"

namespace smmu::platform::linux {

class KeptTables {
public:
    // What the holder keeps, or `bytes` made anew and given to it. ENOMEM: too few huge pages, or too few in a row; EINVAL:
    // what an earlier service of this boot made is smaller.
    static Result<KeptTables> open(const HostFiles& files, const std::string& holder_socket, std::uint64_t bytes);

    // What the holder keeps, of whatever size. ENOENT: nothing, or there is no holder.
    static Result<KeptTables> find(const HostFiles& files, const std::string& holder_socket);

    // Gives everything to a holder that is new: what it has already stays.
    Result<void> keep_again(const holder::Client& keeper) const;

    memory::TableMemory memory() const { return {range_, view_.bytes()}; }

private:
    static Result<KeptTables> make(const HostFiles& files, std::uint64_t pages);
    static Result<KeptTables> from(const HostFiles& files, const holder::Client& keeper, holder::Deposit deposit);
    Result<void> take(const HostFiles& files, const UniqueFd& file, std::span<const std::uint32_t> all, std::uint64_t pages);
    Result<void> locate(const HostFiles& files);

    holder::Deposit deposit_;  // the file, then what pins its pages; the note says which pages, in the order of their addresses
    holder::Deposit further_;  // of a later service than the one that made it: pins of its own
    std::vector<PhysAddr> places_;
    HugeView view_;
    PhysRange range_{};
};

// EPROTO, with what is wrong: not a file of huge pages that a service made, with the numbers of pages of it. Of the pins it can
// only be said that there are some.
Result<void> check_deposit(const holder::Deposit& deposit);

}  // namespace smmu::platform::linux
