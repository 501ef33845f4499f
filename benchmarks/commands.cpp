// SPDX-License-Identifier: Apache-2.0
// What requests cost at the unit: commands (those that only wait for the others among them) and flushes, as the unit's driver
// counts them. Numbers, not times: they are the same on every machine.
//
// rooms: client report
#include <smmu.h>

#include "report/status.hpp"
#include "stage.hpp"

namespace {

using namespace bench;

constexpr std::uint64_t page = 4096, mib = 1 << 20, gib = 1 << 30;
constexpr unsigned rw = SMF_READ | SMF_WRITE;

struct Count {
    std::uint64_t commands = 0, flushes = 0;
};

Count count(const Directory& directory) {
    const std::string output = directory.file("status.json");
    Process asked("smmuctl", {"--json", "status"}, output);
    if (!asked.wait_for_end()) give_up("smmuctl does not end");
    smmu::report::Status status;
    std::string why;
    if (!smmu::report::from_json(contents(output), status, why)) give_up("no status: " + why);
    Count sum;
    for (const auto& unit : status.units) {
        sum.commands += unit.commands;
        sum.flushes += unit.flushes;
    }
    return sum;
}

// A request's own cost: what was counted across it.
template <class Request>
void measure(const Directory& directory, const std::string& what, Request request) {
    const Count before = count(directory);
    if (request() == -1) give_up(fmt::format("{}: {}", what, std::strerror(errno)));
    const Count after = count(directory);
    fmt::print("  {:58} {:5} commands {:5} flushes\n", what, after.commands - before.commands, after.flushes - before.flushes);
}

// Device addresses are free: the memory behind them is the same piece again and again.
int change(smmu_object* object, unsigned flags, std::uint64_t first, std::uint64_t bytes, std::uint64_t target) {
    smmu_map_entry entry{};
    entry.phys = first;
    entry.len = bytes;
    return smmu_mapping_add(object, flags == 0 ? 0 : flags | SMF_TARGET, 0, 1, &entry, flags == 0 ? 0 : target);
}

void measure_board(const std::string& name) {
    const Directory directory;
    const Board board(directory, name);
    Service service(directory, board);
    fmt::print("{}\n", name);
    if (smmu_init(0) == -1) give_up("no connection");
    smmu_object* const object = smmu_obj_create(SOCF_NONE);
    if (object == nullptr || smmu_device_add_pci(object, 0, 3, 0) == -1) give_up("the device cannot be had");
    constexpr std::uint64_t at = 4 * gib;
    const std::uint64_t target = name.starts_with("virt") ? gib + 32 * mib : 32 * mib;
    for (const std::uint64_t pages : std::array<std::uint64_t, 5>{1, 16, 64, 256, 4096}) {
        // Two targets in turn, so that these are pages and not one large leaf.
        for (std::uint64_t i = 0; i < pages; ++i)
            if (change(object, rw, at + i * page, page, target + (i % 2) * 16 * page + i / 2 % 8 * page) == -1)
                give_up(std::strerror(errno));
        measure(directory, fmt::format("{} pages unmapped in one request", pages), [&] { return change(object, 0, at, pages * page, 0); });
    }
    measure(directory, "1 GiB mapped", [&] { return change(object, rw, at, gib, 64 * gib); });
    measure(directory, "the same again", [&] { return change(object, rw, at, gib, 64 * gib); });
    measure(directory, "1 GiB unmapped", [&] { return change(object, 0, at, gib, 0); });
    for (const std::uint64_t size : std::array<std::uint64_t, 2>{1, 64}) {
        if (change(object, rw, at, size * gib, 64 * gib) == -1) give_up(std::strerror(errno));
        measure(directory, fmt::format("a second device added to an object that holds {} GiB", size),
                [&] { return smmu_device_add_pci(object, 0, 4, 0); });
        if (smmu_device_add_pci(nullptr, 0, 4, 0) == -1) give_up(std::strerror(errno));
    }
    smmu_fini();
}

}  // namespace

int main(int words, char** word) {
    std::vector<std::string> boards(word + 1, word + words);
    if (boards.empty()) boards = {"q35-vtd", "q35-vtd-first-stage", "virt-smmuv3", "virt-smmuv3-s1"};
    for (const std::string& board : boards) measure_board(board);
}
