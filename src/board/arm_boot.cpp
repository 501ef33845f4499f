// SPDX-License-Identifier: Apache-2.0
#include "board/arm_boot.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <fstream>

#include "base/byte_reader.hpp"
#include "board/acpi_tables.hpp"
#include "board/fw_cfg.hpp"
#include "board/pci_setup.hpp"
#include "board/table_loader.hpp"
#include "link/wire.hpp"

namespace smmu::board {
namespace {

// Where the machine has its things.
constexpr PhysAddr fw_cfg_registers{0x0902'0000};
constexpr PciPlaces pci_places{{0x40'1000'0000}, {{0x1000'0000}, {0x3efe'ffff}}};

// The top of RAM: ACPI tables, and above them what the tables come in through. Then the two lie
// above the table memory of a service, as on a PC.
constexpr std::uint64_t scratch_bytes = 1u << 20;
constexpr std::uint64_t tables_bytes = 1u << 20;

constexpr std::array<std::uint8_t, 8> sleep_code = {
    0x7f, 0x20, 0x03, 0xd5,  // wfi
    0xff, 0xff, 0xff, 0x17,  // b to wfi
};

Result<void> write_sleep_code(const std::string& path) {
    std::ofstream file(path, std::ios::binary | std::ios::trunc);
    for (const std::uint8_t byte : sleep_code) file.put(static_cast<char>(byte));
    file.close();
    if (!file) return fail(EIO, fmt::format("{}: cannot be written", path));
    return {};
}

// The `length` bytes of RAM that end `below_top` bytes below its end.
RamPart part_of(const Boot::Started& started, PhysAddr base, std::uint64_t below_top,
                std::uint64_t length) {
    const std::uint64_t offset = started.ram.size() - below_top - length;
    return {{base + offset, base + (offset + length - 1)}, started.ram.subspan(offset, length)};
}

Result<std::vector<link::FirmwareTable>> load_acpi_tables(const Boot::Started& started,
                                                          PhysAddr base) {
    const RamPart scratch = part_of(started, base, 0, scratch_bytes);
    const RamPart area = part_of(started, base, scratch_bytes, tables_bytes);
    SMMU_TRY(FwCfg store, FwCfg::open(started.machine, fw_cfg_registers, scratch));
    SMMU_TRY(const auto script, store.read("etc/table-loader"));
    SMMU_TRY(const auto files,
             run_table_loader(
                 script, [&](const std::string& name) { return store.read(name); }, area.range));
    for (const LoadedFile& file : files)
        std::ranges::copy(file.bytes, area.bytes.subspan(file.address - area.range.first).begin());
    return read_acpi_tables(started.ram, base, area.range);
}

// QEMU puts it where a kernel without firmware looks for it: at the start of RAM.
Result<std::vector<link::FirmwareTable>> read_device_tree(const Boot::Started& started,
                                                          PhysAddr base) {
    constexpr std::uint32_t mark = 0xd00dfeed;
    const ByteReader ram(started.ram);
    const std::uint32_t found = std::byteswap(ram.at<std::uint32_t>(0).value_or(0));
    const std::uint32_t length = std::byteswap(ram.at<std::uint32_t>(4).value_or(0));
    const auto tree = ram.slice(0, length);
    if (found != mark || !tree || length > link::max_table_file_bytes / 2)
        return fail(ENOENT, fmt::format("QEMU left no device tree at {:#x}", base.value));
    const auto bytes = tree->bytes();
    return std::vector<link::FirmwareTable>{{"dtb", base.value, {bytes.begin(), bytes.end()}}};
}

}  // namespace

Result<std::vector<std::string>> ArmBoot::arguments(const Description& board,
                                                    const std::string& run_directory) const {
    const std::string code = run_directory + "/sleep.bin";
    SMMU_CHECK(write_sleep_code(code));
    const std::string type = board.type.empty() ? "virt,iommu=smmuv3,gic-version=3" : board.type;
    return std::vector<std::string>{"-machine", type + ",dtb-randomness=off,memory-backend=ram0",
                                    "-cpu",     "cortex-a57",
                                    "-bios",    code};
}

// The first answer that QEMU gives comes when its machine is complete and was reset: the device
// tree is in RAM by then. The ACPI tables tell of buses, so these get their numbers first.
Result<std::vector<link::FirmwareTable>> ArmBoot::finish(const Started& started) const {
    SMMU_CHECK(set_up_pci(started.machine, pci_places));
    if (firmware_ == Description::Firmware::device_tree)
        return read_device_tree(started, ram_base());
    return load_acpi_tables(started, ram_base());
}

}  // namespace smmu::board
