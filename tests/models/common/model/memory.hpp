// SPDX-License-Identifier: Apache-2.0
// Memory: the machine's RAM, and View: what one unit's walker sees of it.
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>

#include "base/range.hpp"
#include "base/result.hpp"
#include "base/unique_fd.hpp"

namespace smmu::model {

// Anonymous memory of a fixed length, all zero; takes room only where something was written.
class Mapping {
public:
    Mapping(int file, std::uint64_t bytes);
    Mapping(const Mapping&) = delete;
    Mapping& operator=(const Mapping&) = delete;
    ~Mapping();
    std::byte* start() const { return start_; }

private:
    std::byte* start_;
    std::uint64_t bytes_;
};

class Memory {
public:
    // Whole pages, from physical address `base` on.
    explicit Memory(std::uint64_t bytes, std::uint64_t base = 0);

    int file() const { return file_.get(); }
    std::uint64_t base() const { return base_; }
    std::uint64_t bytes() const { return bytes_; }
    // Below the base the difference wraps, and is beyond every end.
    bool contains(std::uint64_t address, std::uint64_t length) const {
        return address - base_ < bytes_ && length <= bytes_ - (address - base_);
    }
    std::byte* at(std::uint64_t address) const { return mapping_.start() + (address - base_); }
    template <class T>
    T load(std::uint64_t address) const {
        T value;
        std::memcpy(&value, at(address), sizeof value);
        return value;
    }
    template <class T>
    void store(std::uint64_t address, T value) const {
        std::memcpy(at(address), &value, sizeof value);
    }

private:
    std::uint64_t base_;
    std::uint64_t bytes_;
    UniqueFd file_;
    Mapping mapping_;
};

// Between the processor and the walker lie a cache (when walks do not snoop it) and a write buffer
// (RWBF). Each keeps what was stored until it is told to pass it on.
class View {
public:
    View(const Memory& memory, bool has_cache, bool has_write_buffer);

    std::uint64_t load(std::uint64_t address) const;
    // A store of the unit itself: everybody sees it.
    void store(std::uint64_t address, std::uint64_t value);
    void clean(PhysRange range);
    void flush_write_buffer();
    // Whether the walker sees what memory holds.
    bool visible(PhysRange range) const;
    bool contains(std::uint64_t address, std::uint64_t length) const {
        return memory_.contains(address, length);
    }

private:
    const std::byte* behind_cache() const;
    const std::byte* seen() const;

    const Memory& memory_;
    std::optional<Mapping> cleaned_;
    std::optional<Mapping> flushed_;
};

}  // namespace smmu::model
