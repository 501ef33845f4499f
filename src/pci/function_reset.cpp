// SPDX-License-Identifier: Apache-2.0
#include "pci/function_reset.hpp"

#include <fmt/format.h>

#include <array>

#include "pci/config_space.hpp"
#include "pci/gate.hpp"

namespace smmu::pci {
namespace {

// An aligned value of one, two or four bytes.
std::uint32_t value_at(platform::PciConfig& config, platform::PciFunction function,
                       std::uint16_t offset, unsigned bytes) {
    const std::uint32_t dword = config.read32(function, std::uint16_t(offset & ~3u));
    return dword >> ((offset & 3u) * 8) & (bytes == 4 ? ~0u : (1u << bytes * 8) - 1);
}

}  // namespace

FunctionReset::ResetRegister FunctionReset::reset_register(Header header) {
    ResetRegister by_features, by_express;
    for_each_capability(header, [&](std::uint8_t id, std::uint16_t where) {
        if (Capability(id) == Capability::pcie && where + 8u < 256 &&
            (header[where / 4u + 1] & (1u << 28)) != 0) {
            const auto control = std::uint16_t(where + 8);
            by_express = {control, 2, (header[control / 4u] & 0xffff) | 1u << 15, 1u << 21};
        }
        if (Capability(id) == Capability::advanced_features && where + 4u < 256 &&
            (header[where / 4u] & (1u << 25)) != 0)
            by_features = {std::uint16_t(where + 4), 1, 1, 1u << 8};
    });
    return by_express.bytes != 0 ? by_express : by_features;
}

// What software before us gave the function and the next driver expects; access control, on which
// its group rests, with it. Memory decode comes last, when the addresses are there again.
void FunctionReset::save(Header header) {
    constexpr std::uint16_t cache_line_size = 0x0c, rom = 0x30, interrupt_line = 0x3c;
    saved_.clear();
    for (std::uint16_t bar = offset::first_bar; bar < offset::first_bar + 6 * 4; bar += 4)
        saved_.push_back({bar, 4, header[bar / 4u]});
    saved_.push_back({rom, 4, header[rom / 4u]});
    saved_.push_back({cache_line_size, 1, header[cache_line_size / 4u] & 0xff});
    saved_.push_back({interrupt_line, 1, header[interrupt_line / 4u] & 0xff});
    const auto at = function_at(address_);
    for_each_extended_capability(config_, at, [&](std::uint16_t id, std::uint16_t where) {
        const auto control = std::uint16_t(where + 6);
        if (ExtendedCapability(id) == ExtendedCapability::access_control)
            saved_.push_back({control, 2, value_at(config_, at, control, 2)});
    });
    saved_.push_back({offset::command, 2,
                      header[offset::command / 4u] & 0xffffu & ~command::bus_master});
}

Result<void> FunctionReset::prepare(Instant now) {
    std::array<std::uint32_t, 64> header{};
    config_.read(function_at(address_), 0, header);
    if (header[0] == absent)
        return fail(ENXIO, fmt::format("{}: nothing answers, so there is nothing to reset",
                                       to_string(address_)));
    const bool is_endpoint = (header[offset::header_type / 4] >> 16 & 0x7f) == 0;
    register_ = reset_register(header);
    if (!is_endpoint || register_.bytes == 0)
        return fail(
            ENOTSUP,
            fmt::format(
                "{}: the function has no reset of its own; remove its power or leave it blocked",
                to_string(address_)));
    bus_master_off(config_, address_);
    save(header);
    end_ = now + pending_deadline;
    stage_ = Stage::pending;
    return {};
}

void FunctionReset::initiate(Instant now) {
    config_.write(function_at(address_), register_.control, register_.bytes, register_.value);
    ready_ = now + reset_time;
    end_ = now + reset_deadline;
    stage_ = Stage::resetting;
}

// The id reads as all ones, or as vendor 1 (configuration retry), until the function is ready.
bool FunctionReset::answers() const {
    const std::uint32_t id = config_.read32(function_at(address_), offset::id);
    return id != absent && std::uint16_t(id) != 0x0001;
}

Result<void> FunctionReset::restore() {
    const auto at = function_at(address_);
    for (const Saved& saved : saved_) config_.write(at, saved.offset, saved.bytes, saved.value);
    // A reset clears the command register; read back, since nothing may open by itself.
    if (!bus_master_off(config_, address_))
        return fail(
            EIO,
            fmt::format(
                "{}: bus mastering cannot be turned off after the reset; leave the device blocked",
                to_string(address_)));
    for (const Saved& saved : saved_)
        if (const std::uint32_t now = value_at(config_, at, saved.offset, saved.bytes);
            now != saved.value)
            return fail(EIO, fmt::format("{}: configuration register {:#x} reads {:#x} after the "
                                         "reset and held {:#x} before; the device may need a restart of the "
                                         "machine",
                                         to_string(address_), saved.offset, now, saved.value));
    return {};
}

std::optional<Result<void>> FunctionReset::advance(Instant now) {
    if (stage_ == Stage::untouched)
        if (auto prepared = prepare(now); !prepared) return prepared;
    // Requests that are under way should end before the reset; one that never ends must not hold it
    // up for ever.
    if (stage_ == Stage::pending) {
        const std::uint32_t status =
            config_.read32(function_at(address_), std::uint16_t(register_.control & ~3u));
        if ((status & register_.pending) == 0 || now >= end_) initiate(now);
        return std::nullopt;
    }
    if (now < ready_) return std::nullopt;
    if (answers()) return restore();
    if (now < end_) return std::nullopt;
    return fail(ETIMEDOUT,
                fmt::format(
                    "{}: the function did not answer {} ms after its reset; it stays blocked",
                    to_string(address_),
                    std::chrono::duration_cast<std::chrono::milliseconds>(reset_deadline).count()));
}

}  // namespace smmu::pci
