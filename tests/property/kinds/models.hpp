// SPDX-License-Identifier: Apache-2.0
// The models of MMU-500 and of R-Car's IPMMU as hardware of a kind.
#pragma once

#include <deque>

#include "tests/models/mmu500/model/unit.hpp"
#include "tests/models/rcar/model/cache_unit.hpp"
#include "tests/property/kinds/hardware.hpp"
#include "units/ipmmu/open.hpp"
#include "units/smmuv2/unit.hpp"

namespace smmu::containment::testing {

class SmmuV2Hardware final : public Hardware {
public:
    SmmuV2Hardware(model::Memory& ram, const model::mmu500::Features& features)
        : unit_(features, {}, ram, complaints_, "smmuv2") {}

    std::unique_ptr<units::IommuUnit> open(memory::Arena& arena, memory::Account& account, Clock& clock) override {
        auto registers = std::make_unique<ModelRegisters<model::mmu500::Unit>>(unit_, after_write);
        const topology::Unit described = units::described({{0x1000'0000}, {0x100f'ffff}}, host_bits);
        const auto features = *units::smmuv2::Features::read(hw::Registers(*registers), described);
        return *units::smmuv2::SmmuV2Unit::create(std::move(registers), features, described, arena, account, clock);
    }
    std::optional<std::uint64_t> access(std::uint32_t stream, std::uint64_t address, bool write) override {
        const auto outcome = unit_.handle({.stream = std::uint16_t(stream), .address = address, .write = write});
        return outcome.verdict == model::mmu500::Verdict::allowed ? std::optional(outcome.address) : std::nullopt;
    }
    std::vector<std::string> complaints() const override { return complaints_.all(); }

private:
    model::Complaints complaints_;
    model::mmu500::Unit unit_;
};

// Streams are micro-TLBs of the first cache unit.
class IpmmuHardware final : public Hardware {
public:
    IpmmuHardware(model::Memory& ram, const std::string& product)
        : product_(*model::rcar::product(product)), view_(ram, false, false), main_(product_, {}, ram, view_, complaints_, others()) {
        for (const auto& cache : product_.units) caches_.emplace_back(product_, cache, main_, complaints_);
    }

    std::unique_ptr<units::IommuUnit> open(memory::Arena& arena, memory::Account& account, Clock& clock) override {
        topology::Unit described = units::described(window(product_.main_base), host_bits);
        for (const auto& cache : product_.units) described.caches.push_back({cache.name, window(cache.base), cache.bit, {}});
        return *units::ipmmu::open(board_, described, arena, account, clock);
    }
    std::optional<std::uint64_t> access(std::uint32_t stream, std::uint64_t address, bool write) override {
        const bool exists = stream < product_.units.front().slots;  // strangers are the micro-TLB that nobody named
        const auto outcome = caches_.front().handle(exists ? stream : 0, address, write);
        return outcome.allowed ? std::optional(outcome.address) : std::nullopt;
    }
    std::vector<std::string> complaints() const override { return complaints_.all(); }

private:
    PhysRange window(std::uint64_t base) const { return {{base}, {base + product_.window_bytes() - 1}}; }
    model::rcar::MainUnit::Others others() {
        return {.use = [this](unsigned context) {
                    return std::ranges::any_of(caches_, [&](const auto& cache) { return cache.uses(context); });
                },
                .flushed = [this](unsigned context) {
                    for (auto& cache : caches_) cache.flushed(context);
                }};
    }
    std::uint32_t read(std::uint64_t address) {
        constexpr std::uint64_t product_register = 0xfff00044;
        if (address == product_register) return product_.prr;
        if (window(product_.main_base).contains(PhysAddr{address})) return main_.read(address - product_.main_base);
        for (auto& cache : caches_)
            if (window(cache.facts().base).contains(PhysAddr{address})) return cache.read(address - cache.facts().base);
        return ~std::uint32_t{0};
    }
    void write(std::uint64_t address, std::uint32_t value) {
        bool flushing = false;
        const auto write_to = [&](auto& unit, std::uint64_t base) {
            if (!window(base).contains(PhysAddr{address})) return;
            unit.write(address - base, value);
            flushing = is_flush(address - base, value);
        };
        write_to(main_, product_.main_base);
        for (auto& cache : caches_) write_to(cache, cache.facts().base);
        // Until a flush is over the model takes what is remembered anew for old.
        if (!flushing) wrote();
    }
    bool is_flush(std::uint64_t offset, std::uint32_t value) const {
        const std::uint64_t contexts = product_.generation == 4 ? 0x10000 : 0, end = product_.generation == 4 ? 0x20000 : 0x200;
        return offset >= contexts && offset < end && (value & 2) != 0;
    }

    class Registers final : public hw::Mmio {
    public:
        Registers(IpmmuHardware& hardware, PhysAddr base) : hardware_(hardware), base_(base) {}
        std::uint32_t read32(std::uint64_t at) noexcept override { return hardware_.read((base_ + at).value); }
        std::uint64_t read64(std::uint64_t) noexcept override { std::abort(); }  // its registers have 32 bits
        void write32(std::uint64_t at, std::uint32_t value) noexcept override { hardware_.write((base_ + at).value, value); }
        void write64(std::uint64_t, std::uint64_t) noexcept override { std::abort(); }

    private:
        IpmmuHardware& hardware_;
        PhysAddr base_;
    };
    // Registers, and nothing else of a board.
    class Board final : public platform::Platform {
    public:
        explicit Board(IpmmuHardware& hardware) : hardware_(hardware) {}
        std::string name() const override { return "model"; }
        memory::BootIdentity boot_identity() const override { return {1, 2, 3}; }
        std::vector<PhysRange> ram() const override { return {}; }
        Result<std::vector<platform::RawTable>> firmware_tables() override { return fail(ENOTSUP, "none"); }
        Result<std::unique_ptr<hw::Mmio>> registers(PhysRange range) override {
            return std::make_unique<Registers>(hardware_, range.first);
        }
        Result<std::unique_ptr<platform::PciConfig>> pci_config(std::span<const platform::EcamWindow>) override {
            return fail(ENOTSUP, "none");
        }
        Result<memory::TableMemory> table_memory(std::optional<PhysRange>, std::uint64_t) override { return fail(ENOTSUP, "none"); }
        Result<std::unique_ptr<platform::PinnedMemory>> pin(UniqueFd, std::uint64_t, std::uint64_t) override {
            return fail(ENOTSUP, "none");
        }

    private:
        IpmmuHardware& hardware_;
    };

    model::rcar::Product product_;
    model::Complaints complaints_;
    model::View view_;
    model::rcar::MainUnit main_;
    std::deque<model::rcar::CacheUnit> caches_;
    Board board_{*this};
};

}  // namespace smmu::containment::testing
