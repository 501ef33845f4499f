// SPDX-License-Identifier: Apache-2.0
// Platform: everything the service asks of the place where the hardware is. Ports only; linux and board
// implement them.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/range.hpp"
#include "base/result.hpp"
#include "base/unique_fd.hpp"
#include "hw/mmio.hpp"
#include "memory/arena.hpp"

namespace smmu::platform {

// A firmware table as the machine has it: raw bytes, nothing checked.
struct RawTable {
    std::string name;    // "DMAR", "MCFG", ...; "dtb" for a device tree
    std::string origin;  // where it was read, for a person
    std::vector<std::byte> bytes;
};

// One PCI function's configuration space: segment, bus, devfn.
struct PciFunction {
    std::uint16_t segment = 0;
    std::uint8_t bus = 0;
    std::uint8_t devfn = 0;
};

class PciConfig {
public:
    virtual ~PciConfig() = default;
    // Aligned dwords at `offset` (0..4092) of many functions at once: one trip to the hardware. A function that
    // is not there reads as all ones.
    virtual void read(std::span<const PciFunction> functions, std::uint16_t offset,
                      std::span<std::uint32_t> values) noexcept = 0;
    // Aligned dwords of one function, from `offset` on.
    virtual void read(PciFunction function, std::uint16_t offset, std::span<std::uint32_t> values) noexcept = 0;
    // `bytes` is 1, 2 or 4; offset aligned to it.
    virtual void write(PciFunction function, std::uint16_t offset, unsigned bytes, std::uint32_t value) noexcept = 0;

    std::uint32_t read32(PciFunction function, std::uint16_t offset) noexcept {
        std::uint32_t value = 0;
        read(function, offset, std::span(&value, 1));
        return value;
    }
};

// Configuration space of a segment as firmware gives it (MCFG).
struct EcamWindow {
    std::uint64_t base;  // physical address of bus 0's space
    std::uint16_t segment;
    std::uint8_t first_bus, last_bus;
};

// What holding memory takes: of the machine and of this process.
struct PinCost {
    std::uint64_t bytes = 0;        // whole pages
    std::uint64_t descriptors = 0;  // or what else there is of as few
};

// A client's memory held in place so that a device may use it: neither moved nor freed while this lives.
class PinnedMemory {
public:
    virtual ~PinnedMemory() = default;
    // The physical ranges that hold it, in order of its bytes.
    virtual std::span<const PhysRange> extents() const noexcept = 0;
    virtual PinCost cost() const noexcept = 0;
};

// A PCI function that the host's kernel drives, and what hangs on it: "nvme0n1p2: /", "eth0".
struct HostDriver {
    PciFunction function;
    std::string driver;
    std::vector<std::string> uses;
};

// What services of this boot left of their tables.
struct LeftTables {
    std::optional<memory::TableMemory> memory;  // the last one's, as it left it; nothing: it cannot be had again
    std::string lost;                           // why there is none
    std::vector<PhysRange> ranges;              // where tables of any of them lie, or lay
};

// A device on no bus that tells about it, which the host's kernel drives: an Arm board's eMMC or Ethernet.
struct HostBlock {
    std::optional<PhysAddr> registers;  // of a device from a device tree: where they begin
    std::string acpi_path;              // of one from ACPI: "\\_SB_.NET0"; else empty
    std::string driver;
    std::vector<std::string> uses;
};

// Devices that the host's kernel cannot tell apart, where it keeps the IOMMU.
struct KernelGroup {
    struct Member {
        PciFunction function;
        std::string driver;  // empty: none
    };
    unsigned number = 0;
    std::string type;  // "DMA", "DMA-FQ", "identity": what becomes of its DMA when nobody has taken it
    std::vector<Member> members;
};

class Platform {
public:
    virtual ~Platform() = default;

    virtual std::string name() const = 0;                 // "board q35-vtd"
    virtual memory::BootIdentity boot_identity() const = 0;
    virtual std::vector<PhysRange> ram() const = 0;        // what is memory, ascending

    // Functions that somebody drives already; a board has no kernel of its own.
    virtual std::vector<HostDriver> host_drivers() const { return {}; }
    virtual std::vector<HostBlock> host_blocks() const { return {}; }

    // How the host's kernel groups devices; nothing where it keeps no IOMMU. A board has no kernel of its own.
    virtual std::vector<KernelGroup> kernel_groups() const { return {}; }
    // For a service that leaves the units to the host's kernel, in place of table_memory. EBUSY as there, ENOTSUP where no
    // kernel keeps any.
    virtual Result<void> leave_units_to_kernel() { return fail(ENOTSUP, "there is no kernel here that keeps the IOMMU"); }

    // Every firmware table worth reading; an empty list is not an error.
    virtual Result<std::vector<RawTable>> firmware_tables() = 0;
    // Whether a unit with these registers is the service's to drive, by what the host's kernel says now. EPERM: a driver of the
    // kernel has it, or nobody can tell. A board has no kernel of its own.
    virtual Result<void> check_given_up(PhysRange) { return {}; }
    // Registers of a device, after the check above. EPERM when somebody else drives them, ENXIO when nothing can be there.
    virtual Result<std::unique_ptr<hw::Mmio>> registers(PhysRange range) = 0;
    virtual Result<std::unique_ptr<PciConfig>> pci_config(std::span<const EcamWindow> windows) = 0;
    // Memory for tables: at `wanted`, or `bytes` of it where the platform likes it. The same for every instance of
    // the service in one boot. EBUSY: another instance of the service holds this machine; EPERM: the host's kernel does.
    virtual Result<memory::TableMemory> table_memory(std::optional<PhysRange> wanted, std::uint64_t bytes) = 0;
    // For a safe state: makes nothing, and asks for no more than that no service runs (EBUSY).
    virtual Result<LeftTables> left_tables(std::optional<PhysRange> wanted, std::uint64_t bytes) {
        SMMU_TRY(const memory::TableMemory memory, table_memory(wanted, bytes));
        return LeftTables{memory, {}, {memory.range}};
    }
    // A page that nobody writes, full of zeros as long as the machine runs: a root table that leads nowhere. ENOTSUP: none.
    virtual Result<PhysAddr> zero_page() { return fail(ENOTSUP, name() + " has no page that stays zero"); }
    // Holds `length` bytes of `memory` from `offset`. EINVAL: not memory that this platform can hold in place, or with holes.
    virtual Result<std::unique_ptr<PinnedMemory>> pin(UniqueFd memory, std::uint64_t offset,
                                                      std::uint64_t length) = 0;
    // What earlier services of this boot held for their clients, and did not let go. Only when no unit leads to it any more.
    virtual void release_earlier_pins() noexcept {}
    // From now on memory stays held after its PinnedMemory has ended, as after a crash: for the end of a service, when
    // only memory is left that hardware may still reach.
    virtual void retain_pins() noexcept {}

    // Another process that keeps memory which must outlive this one. A connection that hangs up when it ends; -1: none is needed,
    // or it is gone.
    virtual int keeper_connection() const noexcept { return -1; }
    virtual bool needs_keeper() const noexcept { return false; }
    // Finds it, or its successor, and gives it everything again. Takes half a second at most for each thing.
    virtual Result<void> join_keeper() { return {}; }
};

}  // namespace smmu::platform
