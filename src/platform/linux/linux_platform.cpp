// SPDX-License-Identifier: Apache-2.0
#include "platform/linux/linux_platform.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "platform/linux/client_memory.hpp"
#include "platform/linux/device_memory.hpp"
#include "platform/linux/firmware_memory.hpp"
#include "platform/linux/given_up.hpp"
#include "platform/linux/host_drivers.hpp"
#include "platform/linux/iommu_groups.hpp"
#include "platform/linux/instance_lock.hpp"
#include "platform/linux/kept_tables.hpp"
#include "platform/linux/pci_files.hpp"
#include "platform/linux/physical_map.hpp"
#include "platform/linux/table_record.hpp"
#include "platform/linux/zero_page.hpp"
#include "platform/table_folder.hpp"

namespace smmu::platform::linux {
namespace {

constexpr std::string_view table_folder = "/sys/firmware/acpi/tables";
constexpr std::string_view device_tree = "/sys/firmware/fdt";
// What a survey reads; the rest (programs of firmware mostly) is large and stays where it is.
constexpr std::array<std::string_view, 7> signatures{"APIC", "DMAR", "IORT", "IVRS", "MCFG", "RIMT", "VIOT"};

// Elsewhere the kernel maps what it does not use as device memory, which ordinary code must not work in.
#if defined(__x86_64__)
constexpr bool can_use_reserved_memory = true;
#else
constexpr bool can_use_reserved_memory = false;
#endif

// The 16 bytes of "d6bb0e6c-...": whatever else is in the text is left out.
Result<memory::BootIdentity> boot_identity_in(std::string_view text) {
    memory::BootIdentity identity{};
    std::size_t digits = 0;
    for (const char c : text) {
        const std::size_t value = std::string_view("0123456789abcdef").find(c);
        if (value == std::string_view::npos) continue;
        if (digits == 2 * identity.size()) return fail(EINVAL, "the boot's identity is too long");
        identity[digits / 2] = std::uint8_t(unsigned{identity[digits / 2]} << 4 | unsigned(value));
        ++digits;
    }
    if (digits != 2 * identity.size()) return fail(EINVAL, "the boot's identity is too short");
    return identity;
}

class LinuxPlatform final : public Platform {
public:
    LinuxPlatform(const Places& places, PhysicalMap map, memory::BootIdentity boot)
        : files_(places.root), holder_socket_(places.holder_socket.empty() ? holder::default_socket : places.holder_socket),
          lock_path_(places.lock), record_path_(places.tables), map_(std::move(map)), boot_(boot) {}

    std::string name() const override { return "linux"; }
    memory::BootIdentity boot_identity() const override { return boot_; }
    std::vector<PhysRange> ram() const override { return map_.ram(); }
    std::vector<HostDriver> host_drivers() const override { return linux::host_drivers(files_); }
    std::vector<HostBlock> host_blocks() const override { return linux::host_blocks(files_); }
    std::vector<KernelGroup> kernel_groups() const override { return linux::kernel_groups(files_); }
    Result<void> leave_units_to_kernel() override;
    Result<std::vector<RawTable>> firmware_tables() override;
    Result<void> check_given_up(PhysRange registers) override { return linux::check_given_up(files_, registers); }
    Result<std::unique_ptr<hw::Mmio>> registers(PhysRange range) override;
    Result<std::unique_ptr<PciConfig>> pci_config(std::span<const EcamWindow>) override { return std::make_unique<PciFiles>(files_); }
    Result<memory::TableMemory> table_memory(std::optional<PhysRange> wanted, std::uint64_t bytes) override;
    Result<LeftTables> left_tables(std::optional<PhysRange> wanted, std::uint64_t bytes) override;
    Result<PhysAddr> zero_page() override { return linux::zero_page(files_); }
    Result<std::unique_ptr<PinnedMemory>> pin(UniqueFd memory, std::uint64_t offset, std::uint64_t length) override {
        return pin_client_memory(files_, deposits_, std::move(memory), offset, length);
    }
    void release_earlier_pins() noexcept override { deposits_->release_earlier(); }
    void retain_pins() noexcept override { deposits_->retain(); }
    int keeper_connection() const noexcept override { return keeper_ ? keeper_->fd() : -1; }
    bool needs_keeper() const noexcept override { return kept_tables_.has_value() || deposits_->any(); }
    Result<void> join_keeper() override;

private:
    Result<memory::TableMemory> set_aside(PhysRange range);

    HostFiles files_;
    std::string holder_socket_;
    std::shared_ptr<ClientDeposits> deposits_ = std::make_shared<ClientDeposits>(holder_socket_);
    std::string lock_path_, record_path_;
    PhysicalMap map_;
    memory::BootIdentity boot_;
    UniqueFd lock_;
    std::optional<KeptTables> kept_tables_;
    std::optional<protocol::Connection> keeper_;
    PhysicalView reserved_tables_;
};

Result<std::vector<RawTable>> LinuxPlatform::firmware_tables() {
    std::vector<RawTable> tables;
    const auto add = [&](std::string_view name, const std::string& file) -> Result<void> {
        SMMU_TRY(auto bytes, read_table_file(files_.path(file)));
        tables.push_back({std::string(name), file, std::move(bytes)});
        return {};
    };
    for (const std::string& file : files_.names(table_folder)) {
        const std::string_view signature = std::string_view(file).substr(0, 4);
        if (std::ranges::find(signatures, signature) != signatures.end())
            SMMU_CHECK(add(signature, fmt::format("{}/{}", table_folder, file)));
    }
    if (const auto tree = add("dtb", std::string(device_tree)); !tree && tree.error().code != ENOENT)
        return std::unexpected(tree.error());
    return tables;
}

Result<std::unique_ptr<hw::Mmio>> LinuxPlatform::registers(PhysRange range) {
    for (const PhysRange& memory : ram())
        if (memory.overlaps(range))
            return fail(ENXIO, fmt::format("{:#x}-{:#x} is memory, not registers", range.first.value, range.last.value));
    SMMU_CHECK(check_given_up(range));
    if (const auto unit = map_.kernel_unit(range))
        return fail(EPERM, fmt::format("{:#x}-{:#x}: the kernel drives this unit ({}); start it with {} to leave it to smmuman",
                                       range.first.value, range.last.value, *unit, parameters_against(*unit)));
    return open_registers(files_, range);
}

Result<memory::TableMemory> LinuxPlatform::set_aside(PhysRange range) {
    if (!can_use_reserved_memory)
        return fail(EINVAL, "a reserved range cannot hold tables on this kind of processor; say `tables SIZE`, which takes huge pages");
    if (!is_aligned(range.first, memory::frame_log2) || !is_aligned(range.last + 1, memory::frame_log2))
        return fail(EINVAL, fmt::format("table memory {:#x}-{:#x} is not whole 4 KiB frames", range.first.value, range.last.value));
    SMMU_CHECK(map_.check_set_aside(range));
    SMMU_CHECK(check_is_memory(files_, range));
    SMMU_TRY(reserved_tables_, PhysicalView::map(files_, range, PhysicalView::Caching::usual));
    return memory::TableMemory{range, reserved_tables_.bytes()};
}

Result<memory::TableMemory> LinuxPlatform::table_memory(std::optional<PhysRange> wanted, std::uint64_t bytes) {
    SMMU_CHECK(linux::check_given_up(files_));
    SMMU_TRY(lock_, lock_instance(lock_path_));
    if (!wanted) {
        SMMU_TRY(kept_tables_, KeptTables::open(files_, holder_socket_, bytes));
    }
    SMMU_TRY(const memory::TableMemory memory, wanted ? set_aside(*wanted) : Result<memory::TableMemory>(kept_tables_->memory()));
    SMMU_CHECK(record_tables(record_path_, boot_, {memory.range, wanted.has_value()}));
    return memory;
}

// What the last service recorded counts more than what configuration says by now.
Result<LeftTables> LinuxPlatform::left_tables(std::optional<PhysRange> wanted, std::uint64_t) {
    SMMU_TRY(lock_, lock_instance(lock_path_));
    LeftTables left;
    for (const TablePlace& place : recorded_tables(record_path_, boot_)) {
        left.ranges.push_back(place.range);
        wanted = place.set_aside ? std::optional(place.range) : std::nullopt;
    }
    const auto had_again = [&]() -> Result<memory::TableMemory> {
        if (wanted) return set_aside(*wanted);
        SMMU_TRY(kept_tables_, KeptTables::find(files_, holder_socket_));
        return kept_tables_->memory();
    }();
    if (!had_again) {
        left.lost = had_again.error().text;
        return left;
    }
    left.memory = *had_again;
    left.ranges.push_back(had_again->range);
    return left;
}

// Watched first: one that ends after that is noticed.
Result<void> LinuxPlatform::join_keeper() {
    constexpr std::chrono::milliseconds patience{500};
    keeper_.reset();
    const holder::Client keeper(holder_socket_, patience);
    SMMU_TRY(protocol::Connection watched, keeper.watch());
    if (kept_tables_) {
        SMMU_CHECK(kept_tables_->keep_again(keeper));
    }
    SMMU_CHECK(deposits_->keep_again(keeper));
    keeper_ = std::move(watched);
    return {};
}

Result<void> LinuxPlatform::leave_units_to_kernel() {
    SMMU_CHECK(check_kept(files_));
    SMMU_TRY(lock_, lock_instance(lock_path_));
    return {};
}

}  // namespace

Result<std::unique_ptr<Platform>> open(const Places& places) {
    const HostFiles files(places.root);
    SMMU_TRY(const std::string list, files.text("/proc/iomem"));
    SMMU_TRY(PhysicalMap map, PhysicalMap::parse(list));
    SMMU_TRY(const std::string boot, files.text("/proc/sys/kernel/random/boot_id"));
    SMMU_TRY(const memory::BootIdentity identity, boot_identity_in(boot));
    return std::make_unique<LinuxPlatform>(places, std::move(map), identity);
}

}  // namespace smmu::platform::linux
