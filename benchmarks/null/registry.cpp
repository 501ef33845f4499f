// SPDX-License-Identifier: Apache-2.0
// The registry of smmuman-null, in the place of the service's own: a machine of memory alone, and the null unit for
// whatever unit configuration describes. All the rest of the program is the service, its main() included.
#include "daemon/registry.hpp"

#include <sys/mman.h>

#include <algorithm>

#include "null/unit.hpp"

namespace smmu::daemon {
namespace {

constexpr std::uint64_t ram_bytes = std::uint64_t{256} << 30;

class NoRegisters final : public hw::Mmio {
    std::uint32_t read32(std::uint64_t) noexcept override { return ~std::uint32_t{0}; }
    std::uint64_t read64(std::uint64_t) noexcept override { return ~std::uint64_t{0}; }
    void write32(std::uint64_t, std::uint32_t) noexcept override {}
    void write64(std::uint64_t, std::uint64_t) noexcept override {}
};

class NoPci final : public platform::PciConfig {
    void read(std::span<const platform::PciFunction>, std::uint16_t, std::span<std::uint32_t> values) noexcept override {
        std::ranges::fill(values, ~std::uint32_t{0});
    }
    void read(platform::PciFunction, std::uint16_t, std::span<std::uint32_t> values) noexcept override {
        std::ranges::fill(values, ~std::uint32_t{0});
    }
    void write(platform::PciFunction, std::uint16_t, unsigned, std::uint32_t) noexcept override {}
};

class NullPlatform final : public platform::Platform {
    std::string name() const override { return "null"; }
    memory::BootIdentity boot_identity() const override { return {}; }
    std::vector<PhysRange> ram() const override { return {{PhysAddr{0}, PhysAddr{ram_bytes - 1}}}; }
    Result<std::vector<platform::RawTable>> firmware_tables() override { return {}; }
    Result<std::unique_ptr<hw::Mmio>> registers(PhysRange) override { return std::make_unique<NoRegisters>(); }
    Result<std::unique_ptr<platform::PciConfig>> pci_config(std::span<const platform::EcamWindow>) override {
        return std::make_unique<NoPci>();
    }
    // At the top of memory, so that the benchmarks' grants stay clear of it. Lives as long as the process.
    Result<memory::TableMemory> table_memory(std::optional<PhysRange>, std::uint64_t bytes) override {
        void* const start = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (start == MAP_FAILED) return fail(ENOMEM, "no memory for tables");
        return memory::TableMemory{{PhysAddr{ram_bytes - bytes}, PhysAddr{ram_bytes - 1}},
                                   {static_cast<std::byte*>(start), bytes}};
    }
    Result<std::unique_ptr<platform::PinnedMemory>> pin(UniqueFd, std::uint64_t, std::uint64_t) override {
        return fail(EINVAL, "the null machine has no memory of its own");
    }
};

}  // namespace

Result<std::unique_ptr<platform::Platform>> open_platform(const config::PlatformChoice&) {
    return std::make_unique<NullPlatform>();
}

Result<units::FirstLook> look_at_unit(const topology::Unit&, platform::Platform&) {
    return units::FirstLook{.answers = true};
}

Result<std::unique_ptr<units::IommuUnit>> open_unit(const topology::Unit&, const UnitParts& parts) {
    return std::make_unique<bench::NullUnit>(parts.arena);
}

Result<void> shut_unit(const topology::Unit&, platform::Platform&, Clock&) { return {}; }

}  // namespace smmu::daemon
