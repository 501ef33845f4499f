// SPDX-License-Identifier: Apache-2.0
#include "platform/board/board_pci.hpp"

#include <algorithm>
#include <optional>
#include <vector>

namespace smmu::platform::board {
namespace {

constexpr std::uint32_t all_ones = ~std::uint32_t{0};
constexpr std::uint16_t function_bytes = 4096;
constexpr std::uint16_t port_function_bytes = 256;

// One dword of one function.
struct Place {
    PciFunction function;
    std::uint16_t offset;
};

// Reads dwords in as few packets as possible; how a dword is reached is the derived class's affair.
class BoardPciConfig : public PciConfig {
public:
    explicit BoardPciConfig(std::shared_ptr<link::Client> client) : client_(std::move(client)) {}

    void read(std::span<const PciFunction> functions, std::uint16_t offset,
              std::span<std::uint32_t> values) noexcept override {
        std::vector<Place> places;
        for (const PciFunction& function : functions) places.push_back({function, offset});
        read_places(places, values);
    }

    void read(PciFunction function, std::uint16_t offset,
              std::span<std::uint32_t> values) noexcept override {
        std::vector<Place> places;
        for (std::size_t i = 0; i < values.size(); ++i)
            places.push_back({function, static_cast<std::uint16_t>(offset + 4 * i)});
        read_places(places, values);
    }

    void write(PciFunction function, std::uint16_t offset, unsigned bytes,
               std::uint32_t value) noexcept override {
        SMMU_ASSERT((bytes == 1 || bytes == 2 || bytes == 4) && offset % bytes == 0);
        std::vector<link::Operation> operations;
        const Place place{function, offset};
        if (!reachable(place)) return;
        append_write(operations, place, static_cast<std::uint8_t>(bytes), value);
        client_->perform(operations, {});
    }

protected:
    virtual bool reachable(const Place& place) const = 0;
    virtual void append_read(std::vector<link::Operation>& operations,
                             const Place& place) const = 0;
    virtual void append_write(std::vector<link::Operation>& operations, const Place& place,
                              std::uint8_t bytes, std::uint32_t value) const = 0;

private:
    void read_places(std::span<const Place> places, std::span<std::uint32_t> values) noexcept {
        SMMU_ASSERT(places.size() == values.size());
        std::fill(values.begin(), values.end(), all_ones);
        std::vector<link::Operation> operations;
        std::vector<std::size_t> indices;  // of the value that each reading operation gives
        for (std::size_t i = 0; i < places.size(); ++i) {
            if (!reachable(places[i])) continue;
            SMMU_ASSERT(places[i].offset % 4 == 0);
            append_read(operations, places[i]);
            indices.push_back(i);
        }
        std::vector<std::uint64_t> read(indices.size());
        client_->perform(operations, read);
        for (std::size_t i = 0; i < indices.size(); ++i)
            values[indices[i]] = static_cast<std::uint32_t>(read[i]);
    }

    std::shared_ptr<link::Client> client_;
};

class WindowConfig final : public BoardPciConfig {
public:
    WindowConfig(std::shared_ptr<link::Client> client, std::span<const EcamWindow> windows)
        : BoardPciConfig(std::move(client)), windows_(windows.begin(), windows.end()) {}

private:
    std::optional<PhysAddr> address(const Place& place) const {
        if (place.offset >= function_bytes) return std::nullopt;
        for (const EcamWindow& window : windows_) {
            if (window.segment != place.function.segment || place.function.bus < window.first_bus ||
                place.function.bus > window.last_bus)
                continue;
            return PhysAddr{window.base + (std::uint64_t{place.function.bus} << 20) +
                            (std::uint64_t{place.function.devfn} << 12) + place.offset};
        }
        return std::nullopt;
    }
    bool reachable(const Place& place) const override { return address(place).has_value(); }
    void append_read(std::vector<link::Operation>& operations, const Place& place) const override {
        operations.push_back(link::Operation::read(*address(place), 4));
    }
    void append_write(std::vector<link::Operation>& operations, const Place& place,
                      std::uint8_t bytes, std::uint32_t value) const override {
        operations.push_back(link::Operation::write(*address(place), bytes, value));
    }

    std::vector<EcamWindow> windows_;
};

// The two accesses of one dword stay together: a packet is never interleaved with another client's,
// and max_operations is even.
class PortConfig final : public BoardPciConfig {
public:
    using BoardPciConfig::BoardPciConfig;

private:
    static constexpr std::uint16_t address_port = 0xcf8;
    static constexpr std::uint16_t data_port = 0xcfc;
    static_assert(link::max_operations % 2 == 0);

    static link::Operation select(const Place& place) {
        const std::uint32_t selected = 0x80000000u | std::uint32_t{place.function.bus} << 16 |
                                       std::uint32_t{place.function.devfn} << 8 |
                                       (place.offset & 0xfcu);
        return link::Operation::port_out(address_port, 4, selected);
    }
    bool reachable(const Place& place) const override {
        return place.function.segment == 0 && place.offset < port_function_bytes;
    }
    void append_read(std::vector<link::Operation>& operations, const Place& place) const override {
        operations.push_back(select(place));
        operations.push_back(link::Operation::port_in(data_port, 4));
    }
    void append_write(std::vector<link::Operation>& operations, const Place& place,
                      std::uint8_t bytes, std::uint32_t value) const override {
        operations.push_back(select(place));
        operations.push_back(link::Operation::port_out(
            static_cast<std::uint16_t>(data_port + place.offset % 4), bytes, value));
    }
};

}  // namespace

std::unique_ptr<PciConfig> open_pci_config(std::shared_ptr<link::Client> client,
                                           std::span<const EcamWindow> windows) {
    if (windows.empty()) return std::make_unique<PortConfig>(std::move(client));
    return std::make_unique<WindowConfig>(std::move(client), windows);
}

}  // namespace smmu::platform::board
