// SPDX-License-Identifier: Apache-2.0
// Hardware: a unit in software behind its real driver, whatever its kind: what its devices reach, by accesses of theirs, and
// a place to look at it after everything that the driver writes.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "tests/models/vtd/model/unit.hpp"
#include "tests/unit/driving.hpp"
#include "tests/unit/smmuv3/silicon.hpp"
#include "units/smmuv3/unit.hpp"
#include "units/vtd/unit.hpp"

namespace smmu::containment::testing {

// Where the drivers keep their tables; RAM begins at 0.
inline constexpr std::uint64_t ram_bytes = 64u << 20, tables_at = 32u << 20;
inline constexpr unsigned host_bits = 44;

class Hardware {
public:
    virtual ~Hardware() = default;

    // A new driver on it, as when an instance of the service starts.
    virtual std::unique_ptr<units::IommuUnit> open(memory::Arena& arena, memory::Account& account, Clock& clock) = 0;
    // An access of a device: where it arrives.
    virtual std::optional<std::uint64_t> access(std::uint32_t stream, std::uint64_t address, bool write) = 0;
    // What the driver did that the manual forbids.
    virtual std::vector<std::string> complaints() const = 0;

    std::function<void()> after_write;

protected:
    void wrote() const {
        if (after_write) after_write();
    }
};

// The registers of a model, from which accesses go straight to it.
template <class Model>
class ModelRegisters final : public hw::Mmio {
public:
    ModelRegisters(Model& model, const std::function<void()>& wrote) : model_(model), wrote_(wrote) {}
    std::uint32_t read32(std::uint64_t at) noexcept override { return std::uint32_t(model_.read(at, 4)); }
    std::uint64_t read64(std::uint64_t at) noexcept override { return model_.read(at, 8); }
    void write32(std::uint64_t at, std::uint32_t value) noexcept override { write(at, 4, value); }
    void write64(std::uint64_t at, std::uint64_t value) noexcept override { write(at, 8, value); }

private:
    void write(std::uint64_t at, unsigned bytes, std::uint64_t value) {
        model_.write(at, bytes, value);
        if (wrote_) wrote_();
    }
    Model& model_;
    const std::function<void()>& wrote_;
};

class VtdHardware final : public Hardware {
public:
    VtdHardware(model::Memory& ram, model::vtd::Features features)
        : unit_(features, {}, host_bits, ram, complaints_, "vtd") {}

    std::unique_ptr<units::IommuUnit> open(memory::Arena& arena, memory::Account& account, Clock& clock) override {
        auto registers = std::make_unique<ModelRegisters<model::vtd::Unit>>(unit_, after_write);
        const auto features = *units::vtd::Features::read(hw::Registers(*registers), "vtd");
        return *units::vtd::VtdUnit::create(std::move(registers), features, "vtd", arena, account, clock, host_bits);
    }
    std::optional<std::uint64_t> access(std::uint32_t stream, std::uint64_t address, bool write) override {
        const auto outcome = unit_.handle({.source = std::uint16_t(stream), .address = address, .write = write});
        return outcome.allowed ? std::optional(outcome.address) : std::nullopt;
    }
    std::vector<std::string> complaints() const override { return complaints_.all(); }

private:
    model::Complaints complaints_;
    model::vtd::Unit unit_;
};

class SmmuV3Hardware final : public Hardware {
public:
    SmmuV3Hardware(model::Memory& ram, silicon::Facts facts)
        : unit_(silicon::Memory{ram.at(tables_at), tables_at, ram_bytes - tables_at}) {
        unit_.facts = facts;
        unit_.after_write = [this] {
            unit_.writes.clear();
            unit_.commands.clear();
            wrote();
        };
    }

    std::unique_ptr<units::IommuUnit> open(memory::Arena& arena, memory::Account& account, Clock& clock) override {
        auto registers = std::make_unique<silicon::Forwarding>(unit_);
        const auto features = *units::smmuv3::Features::read(hw::Registers(*registers), "smmu");
        return *units::smmuv3::SmmuV3Unit::create(std::move(registers), features, "smmu", arena, account, clock, host_bits);
    }
    std::optional<std::uint64_t> access(std::uint32_t stream, std::uint64_t address, bool write) override {
        const std::uint64_t at = unit_.dma(stream, address, write);
        return at != silicon::Unit::refused ? std::optional(at) : std::nullopt;
    }
    std::vector<std::string> complaints() const override { return unit_.complaints; }

private:
    silicon::Unit unit_;
};

}  // namespace smmu::containment::testing
