// SPDX-License-Identifier: Apache-2.0
// FakeConfig: configuration space of a made-up machine, with the few effects of a write that the
// gate relies on.
#pragma once

#include <cstdint>
#include <cstring>
#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "platform/platform.hpp"
#include "topology/device_id.hpp"

namespace smmu::test {

class FakeConfig final : public platform::PciConfig {
public:
    struct Function {
        std::vector<std::uint8_t> bytes = std::vector<std::uint8_t>(4096, 0);
        // Which bytes keep what is written; the others are read only.
        std::vector<bool> writable = std::vector<bool>(4096, false);
        // With access control: the bits of its control register that stay.
        std::optional<std::uint16_t> access_control_kept{};

        void set16(std::size_t at, std::uint16_t value) { std::memcpy(&bytes[at], &value, 2); }
        void set32(std::size_t at, std::uint32_t value) { std::memcpy(&bytes[at], &value, 4); }
        std::uint32_t get32(std::size_t at) const {
            std::uint32_t value = 0;
            std::memcpy(&value, &bytes[at], 4);
            return value;
        }
        void let_write(std::size_t at, std::size_t count) {
            for (std::size_t i = 0; i < count; ++i) writable[at + i] = true;
        }
        // Hangs a capability in front of the list.
        void capability(std::uint8_t id, std::uint8_t at) {
            bytes[at] = id;
            bytes[at + 1u] = bytes[0x34];
            bytes[0x34] = at;
            bytes[6] |= 0x10;
        }
        // An extended capability at `at`, leading to `next`.
        void extended(std::uint16_t id, std::uint16_t at, std::uint16_t next) {
            set32(at, std::uint32_t(id) | 1u << 16 | std::uint32_t(next) << 20);
        }
    };

    // A plain function with the vendor and device of a made-up part.
    Function& add(topology::PciAddress address, std::uint32_t class_code = 0x00ff00) {
        Function& function = functions[address];
        function.set32(0, 0x11e81234);
        function.set32(8, class_code << 8);
        function.let_write(4, 2);
        return function;
    }
    Function& add_bridge(topology::PciAddress address, std::uint8_t secondary,
                         std::uint8_t subordinate) {
        Function& function = add(address, 0x060400);
        function.bytes[0x0e] = 1;
        function.bytes[0x18] = address.bus;
        function.bytes[0x19] = secondary;
        function.bytes[0x1a] = subordinate;
        function.set32(0x20, 0x0000fff0);
        function.set32(0x24, 0x0000fff0);
        return function;
    }
    static void make_express(Function& function, unsigned type) {
        function.capability(0x10, 0x40);
        function.set16(0x42, std::uint16_t(2 | type << 4));
    }
    static void give_access_control(Function& function, std::uint16_t supported,
                                    std::uint16_t kept = 0x7f) {
        function.extended(0x0d, 0x100, 0);
        function.set16(0x104, supported);
        if (kept != 0) function.let_write(0x106, 2);
        function.access_control_kept = kept;
    }

    void read(std::span<const platform::PciFunction> wanted, std::uint16_t offset,
              std::span<std::uint32_t> values) noexcept override {
        ++trips;
        for (std::size_t i = 0; i < wanted.size(); ++i) values[i] = value_at(wanted[i], offset);
    }
    void read(platform::PciFunction function, std::uint16_t offset,
              std::span<std::uint32_t> values) noexcept override {
        ++trips;
        for (std::size_t i = 0; i < values.size(); ++i)
            values[i] = value_at(function, std::uint16_t(offset + 4 * i));
    }
    void write(platform::PciFunction function, std::uint16_t offset, unsigned bytes,
               std::uint32_t value) noexcept override {
        ++writes;
        const auto at = functions.find(address_of(function));
        if (at == functions.end()) return;
        for (unsigned i = 0; i < bytes; ++i)
            if (at->second.writable[offset + i])
                at->second.bytes[offset + i] = std::uint8_t(value >> (8 * i));
        if (at->second.access_control_kept && offset == 0x106)
            at->second.set16(0x106, std::uint16_t(value & *at->second.access_control_kept));
        if (written) written(function, offset, value);
    }

    std::map<topology::PciAddress, Function> functions;
    std::function<void(platform::PciFunction, std::uint16_t, std::uint32_t)> written;
    unsigned writes = 0;
    unsigned trips = 0;
    std::map<topology::PciAddress, bool> gone;  // does not answer for the time being

private:
    static topology::PciAddress address_of(platform::PciFunction function) {
        return {function.segment, function.bus, std::uint8_t(function.devfn >> 3),
                std::uint8_t(function.devfn & 7)};
    }
    std::uint32_t value_at(platform::PciFunction function, std::uint16_t offset) const {
        const auto address = address_of(function);
        const auto at = functions.find(address);
        const auto away = gone.find(address);
        if (at == functions.end() || (away != gone.end() && away->second)) return 0xffffffff;
        return at->second.get32(offset);
    }
};

}  // namespace smmu::test
