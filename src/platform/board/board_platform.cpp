// SPDX-License-Identifier: Apache-2.0
#include "platform/board/board_platform.hpp"

#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstring>
#include <numeric>

#include "link/client.hpp"
#include "platform/board/board_pci.hpp"

namespace smmu::platform::board {
namespace {

// Table memory begins and ends at multiples of this, so that walkers may be given leaves of this
// size.
constexpr unsigned table_memory_log2 = 21;

class BoardRegisters final : public hw::Mmio {
public:
    BoardRegisters(std::shared_ptr<link::Client> client, PhysRange range)
        : client_(std::move(client)), range_(range) {}

    std::uint32_t read32(std::uint64_t offset) noexcept override {
        return static_cast<std::uint32_t>(client_->read(at(offset, 4), 4));
    }
    std::uint64_t read64(std::uint64_t offset) noexcept override {
        return client_->read(at(offset, 8), 8);
    }
    void write32(std::uint64_t offset, std::uint32_t value) noexcept override {
        client_->write(at(offset, 4), 4, value);
    }
    void write64(std::uint64_t offset, std::uint64_t value) noexcept override {
        client_->write(at(offset, 8), 8, value);
    }

private:
    PhysAddr at(std::uint64_t offset, std::uint64_t bytes) const {
        SMMU_ASSERT(offset % bytes == 0 && offset <= range_.last - range_.first &&
                    range_.last - range_.first - offset >= bytes - 1);
        return range_.first + offset;
    }

    std::shared_ptr<link::Client> client_;
    PhysRange range_;
};

// Holds the client's descriptor, which is the board's RAM: that never moves.
class PinnedBoardRam final : public PinnedMemory {
public:
    // The board's RAM neither moves nor ends before the board does: holding its file once is enough.
    PinnedBoardRam(std::shared_ptr<const UniqueFd> ram, std::vector<PhysRange> extents)
        : ram_(std::move(ram)), extents_(std::move(extents)) {}
    std::span<const PhysRange> extents() const noexcept override { return extents_; }
    PinCost cost() const noexcept override {
        const auto add = [](std::uint64_t sum, const PhysRange& extent) { return sum + extent.length(); };
        return {std::accumulate(extents_.begin(), extents_.end(), std::uint64_t{0}, add), 1};
    }

private:
    std::shared_ptr<const UniqueFd> ram_;
    std::vector<PhysRange> extents_;
};

class Mapping {
public:
    Mapping() = default;
    Mapping(const Mapping&) = delete;
    Mapping& operator=(const Mapping&) = delete;
    ~Mapping() {
        if (start_ != nullptr) munmap(start_, length_);
    }

    Result<std::span<std::byte>> map(const UniqueFd& file, std::uint64_t offset,
                                     std::uint64_t length) {
        void* const start = mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(),
                                 static_cast<off_t>(offset));
        if (start == MAP_FAILED)
            return fail(errno, fmt::format("mapping {} bytes of the board's RAM: {}", length,
                                           std::strerror(errno)));
        start_ = start;
        length_ = length;
        return std::span(static_cast<std::byte*>(start), length);
    }

private:
    void* start_ = nullptr;
    std::uint64_t length_ = 0;
};

class BoardPlatform final : public Platform {
public:
    BoardPlatform(std::unique_ptr<link::Client> client, UniqueFd ram)
        : client_(std::move(client)), ram_(std::make_shared<const UniqueFd>(std::move(ram))) {}

    std::string name() const override { return fmt::format("board {}", client_->machine().name); }
    memory::BootIdentity boot_identity() const override { return client_->machine().boot_identity; }
    std::vector<PhysRange> ram() const override;
    Result<std::vector<RawTable>> firmware_tables() override;
    Result<std::unique_ptr<hw::Mmio>> registers(PhysRange range) override;
    Result<std::unique_ptr<PciConfig>> pci_config(std::span<const EcamWindow> windows) override;
    Result<memory::TableMemory> table_memory(std::optional<PhysRange> wanted,
                                             std::uint64_t bytes) override;
    Result<std::unique_ptr<PinnedMemory>> pin(UniqueFd memory, std::uint64_t offset,
                                              std::uint64_t length) override;

private:
    Result<PhysRange> usual_table_range(std::uint64_t bytes);

    std::shared_ptr<link::Client> client_;
    std::shared_ptr<const UniqueFd> ram_;
    std::vector<std::unique_ptr<Mapping>> mappings_;
};

std::vector<PhysRange> BoardPlatform::ram() const {
    std::vector<PhysRange> ranges;
    for (const link::RamRange& ram : client_->machine().ram)
        if (const auto range = PhysRange::from_length(ram.base, ram.length))
            ranges.push_back(*range);
    std::sort(ranges.begin(), ranges.end());
    return ranges;
}

Result<std::vector<RawTable>> BoardPlatform::firmware_tables() {
    SMMU_TRY(auto tables, client_->firmware_tables());
    std::vector<RawTable> raw;
    for (link::FirmwareTable& table : tables) {
        const std::string origin = table.address != 0
                                       ? fmt::format("{}, RAM at {:#x}", name(), table.address)
                                       : fmt::format("{}, supplied by its description", name());
        raw.push_back({std::move(table.name), origin, std::move(table.bytes)});
    }
    return raw;
}

Result<std::unique_ptr<hw::Mmio>> BoardPlatform::registers(PhysRange range) {
    for (const PhysRange& memory : ram())
        if (memory.overlaps(range))
            return fail(ENXIO, fmt::format("{}: {:#x}-{:#x} is RAM, not registers", name(),
                                           range.first.value, range.last.value));
    return std::make_unique<BoardRegisters>(client_, range);
}

Result<std::unique_ptr<PciConfig>> BoardPlatform::pci_config(std::span<const EcamWindow> windows) {
    return open_pci_config(client_, windows);
}

// The upper half of the highest RAM, below the tables that firmware keeps at the top: the same in
// every instance, and far from where tests and clients begin.
Result<PhysRange> BoardPlatform::usual_table_range(std::uint64_t bytes) {
    const std::vector<PhysRange> memory = ram();
    if (memory.empty()) return fail(ENOMEM, fmt::format("{} has no RAM", name()));
    const PhysRange highest = memory.back();
    const PhysAddr begin = highest.first + highest.length() / 2;
    const PhysAddr first = PhysRange{begin, begin}.rounded_out(table_memory_log2).first;
    PhysAddr end = highest.last + 1;
    SMMU_TRY(const auto tables, client_->firmware_tables());
    for (const link::FirmwareTable& table : tables)
        if (PhysAddr{table.address} > first) end = std::min(end, PhysAddr{table.address});
    end = align_down(end, table_memory_log2);
    const auto range = PhysRange::from_length(first, bytes);
    if (!range || range->last >= end || end <= first)
        return fail(
            ENOMEM,
            fmt::format("{}: {} bytes of table memory do not fit between {:#x} and {:#x}; ask "
                        "for less or give the board more memory",
                        name(), bytes, first.value, end.value));
    return *range;
}

Result<memory::TableMemory> BoardPlatform::table_memory(std::optional<PhysRange> wanted,
                                                        std::uint64_t bytes) {
    SMMU_CHECK(client_->claim());
    if (!wanted) {
        SMMU_TRY(const PhysRange usual, usual_table_range(bytes));
        wanted = usual;
    }
    if (!is_aligned(wanted->first, memory::frame_log2) ||
        !is_aligned(wanted->last + 1, memory::frame_log2))
        return fail(EINVAL, fmt::format("{}: table memory {:#x}-{:#x} is not whole 4 KiB frames",
                                        name(), wanted->first.value, wanted->last.value));
    for (const link::RamRange& ram : client_->machine().ram) {
        const auto range = PhysRange::from_length(ram.base, ram.length);
        if (!range || !range->contains(*wanted)) continue;
        auto mapping = std::make_unique<Mapping>();
        SMMU_TRY(const auto view,
                 mapping->map(*ram_, ram.offset + (wanted->first - ram.base), wanted->length()));
        mappings_.push_back(std::move(mapping));
        return memory::TableMemory{*wanted, view};
    }
    return fail(EINVAL, fmt::format("{}: table memory {:#x}-{:#x} is not in one range of RAM",
                                    name(), wanted->first.value, wanted->last.value));
}

Result<std::unique_ptr<PinnedMemory>> BoardPlatform::pin(UniqueFd memory, std::uint64_t offset,
                                                         std::uint64_t length) {
    struct stat ours{};
    struct stat theirs{};
    if (fstat(ram_->get(), &ours) != 0 || fstat(memory.get(), &theirs) != 0 ||
        ours.st_dev != theirs.st_dev || ours.st_ino != theirs.st_ino)
        return fail(EINVAL,
                    fmt::format("{}: a device can only be let into memory of the board's RAM file",
                                name()));
    if (length == 0 || length - 1 > ~std::uint64_t{0} - offset)
        return fail(EINVAL,
                    fmt::format("{}: {} bytes at {:#x} of the RAM file", name(), length, offset));
    // The file's ranges in order of their offsets; what is wanted may run over several.
    std::vector<link::RamRange> ranges = client_->machine().ram;
    std::sort(ranges.begin(), ranges.end(),
              [](const auto& a, const auto& b) { return a.offset < b.offset; });
    std::vector<PhysRange> extents;
    for (const link::RamRange& ram : ranges) {
        if (length == 0 || offset < ram.offset || offset - ram.offset >= ram.length) continue;
        const std::uint64_t taken = std::min(length, ram.length - (offset - ram.offset));
        const PhysAddr first = ram.base + (offset - ram.offset);
        extents.push_back({first, first + (taken - 1)});
        offset += taken;
        length -= taken;
    }
    if (length != 0)
        return fail(EINVAL, fmt::format("{}: {} bytes at {:#x} leave the RAM file", name(), length,
                                        offset));
    return std::make_unique<PinnedBoardRam>(ram_, std::move(extents));
}

}  // namespace

Result<std::unique_ptr<Platform>> open(std::string_view name) {
    const std::string path = link::socket_path(name);
    auto client = link::Client::connect(path);
    if (!client && client.error().code == ENXIO)
        return fail(
            ENXIO, fmt::format("no board {} is running; start it with: smmu-board {}", name, name));
    if (!client) return pass_on(std::move(client));
    SMMU_TRY(UniqueFd ram, (*client)->ram());
    return std::make_unique<BoardPlatform>(*std::move(client), std::move(ram));
}

}  // namespace smmu::platform::board
