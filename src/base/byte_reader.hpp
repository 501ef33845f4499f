// SPDX-License-Identifier: Apache-2.0
// ByteReader: the only way to look at foreign bytes. Little endian; never reads past its end.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace smmu {

class ByteReader {
public:
    explicit ByteReader(std::span<const std::byte> bytes) : bytes_(bytes) {}

    std::size_t size() const { return bytes_.size(); }
    std::span<const std::byte> bytes() const { return bytes_; }

    // A little-endian number of sizeof(T) bytes at `offset`; nothing when it does not fit.
    template <class T>
    std::optional<T> at(std::size_t offset) const {
        static_assert(std::is_unsigned_v<T>);
        if (offset > bytes_.size() || bytes_.size() - offset < sizeof(T)) return std::nullopt;
        T value = 0;
        for (std::size_t i = 0; i < sizeof(T); ++i)
            value = static_cast<T>(value | (std::uint64_t(bytes_[offset + i]) << (8 * i)));
        return value;
    }

    // `length` bytes from `offset`; nothing when they do not fit.
    std::optional<ByteReader> slice(std::size_t offset, std::size_t length) const {
        if (offset > bytes_.size() || bytes_.size() - offset < length) return std::nullopt;
        return ByteReader(bytes_.subspan(offset, length));
    }

private:
    std::span<const std::byte> bytes_;
};

}  // namespace smmu
