// SPDX-License-Identifier: Apache-2.0
// OwnedTableMemory: table memory of a test, filled with rubbish so that nobody relies on zeros.
#pragma once

#include <cstring>
#include <memory>
#include <new>

#include "memory/arena.hpp"

namespace smmu::memory {

class OwnedTableMemory {
public:
    static constexpr std::size_t alignment = 4096;

    explicit OwnedTableMemory(std::uint64_t frames, PhysAddr base = {0x1'0000'0000})
        : size_(frames << frame_log2),
          bytes_(static_cast<std::byte*>(::operator new(size_, std::align_val_t{alignment}))),
          base_(base) {
        std::memset(bytes_.get(), 0xA7, size_);
    }

    TableMemory get() const { return {*PhysRange::from_length(base_, size_), {bytes_.get(), size_}}; }
    std::uint64_t* words() const { return reinterpret_cast<std::uint64_t*>(bytes_.get()); }

private:
    struct Free {
        void operator()(std::byte* bytes) const { ::operator delete(bytes, std::align_val_t{alignment}); }
    };
    std::size_t size_;
    std::unique_ptr<std::byte, Free> bytes_;
    PhysAddr base_;
};

}  // namespace smmu::memory
