// SPDX-License-Identifier: Apache-2.0
// A driver of QEMU's edu device at 0000:00:03.0 behind an IOMMU that the kernel keeps, as a client of the service; it runs
// inside a guest. One line for each thing that happened.
//
//   host_vfio story            grants, refusals, a record, a cut in a grant, a move, removal with the descriptor kept
//   host_vfio hold             grants, copies, and waits to be killed with the device's descriptor in hand
//   host_vfio leave            the same, but removes the device and keeps only its descriptor
//   host_vfio claim BUS DEV F  says whether the device can be had
//   host_vfio pieces           more mappings than the kernel keeps (vfio_iommu_type1.dma_entry_limit)
#include <fcntl.h>
#include <linux/memfd.h>
#include <linux/vfio.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>

#include "smmu.h"
#include "smmu_ext.h"

namespace {

constexpr std::size_t page = 4096, pages = 64, copied = 64;
constexpr std::uint64_t device_address = 0x100000, own_memory = 0x40000;  // of the client's memory; of the device's own
constexpr std::uint64_t busy = 1, to_memory = 3;
constexpr unsigned both = SMF_READ | SMF_WRITE;

void say(const char* what, bool holds, const char* yes, const char* no) {
    std::printf("%s: %s\n", what, holds ? yes : no);
    std::fflush(stdout);
}

int failed(const char* what) {
    std::printf("%s: %s (%s)\n", what, smmu_strerror_last(), strerrorname_np(errno));
    return 1;
}

// The device by its VFIO descriptor alone.
class Edu {
public:
    explicit Edu(int device) : device_(device) {
        registers_ = place(VFIO_PCI_BAR0_REGION_INDEX);
        config_ = place(VFIO_PCI_CONFIG_REGION_INDEX);
        const std::uint16_t memory_and_master = 6;
        constexpr off_t command = 4;
        is_ready_ = pwrite(device, &memory_and_master, sizeof memory_and_master, config_ + command) == sizeof memory_and_master;
    }
    explicit operator bool() const { return is_ready_; }
    bool copy(std::uint64_t from, std::uint64_t to, std::uint64_t what) const {
        write(0x80, from);
        write(0x88, to);
        write(0x90, copied);
        write(0x98, what);
        for (int waited = 0; waited < 3000; ++waited) {
            if ((read(0x98) & busy) == 0) return true;
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
        }
        return false;
    }

private:
    off_t place(std::uint32_t index) const {
        vfio_region_info region{};
        region.argsz = sizeof region;
        region.index = index;
        return ioctl(device_, VFIO_DEVICE_GET_REGION_INFO, &region) == 0 ? off_t(region.offset) : off_t{0};
    }
    void write(off_t at, std::uint64_t value) const { (void)!pwrite(device_, &value, sizeof value, registers_ + at); }
    std::uint64_t read(off_t at) const {
        std::uint64_t value = busy;
        (void)!pread(device_, &value, sizeof value, registers_ + at);
        return value;
    }

    int device_;
    off_t registers_ = 0, config_ = 0;
    bool is_ready_ = false;
};

struct Memory {
    int file = memfd_create("client", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    char* bytes = nullptr;
    Memory() {
        if (file < 0 || ftruncate(file, off_t(pages * page)) != 0 || fcntl(file, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) != 0) return;
        void* const start = mmap(nullptr, pages * page, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
        if (start == MAP_FAILED) return;
        bytes = static_cast<char*>(start);
        std::memset(bytes, 0, pages * page);
    }
};

struct smmu_map_entry entry(std::uint64_t address) {
    struct smmu_map_entry made{};
    made.phys = address;
    made.len = page;
    return made;
}

union smmu_devid edu() {
    union smmu_devid device{};
    device.pci = {SDT_PCI, 0, 3, 0};
    return device;
}

int grant(struct smmu_object* object, const Memory& memory, std::size_t first, std::size_t count) {
    return smmu_mapping_add_fd(object, both, memory.file, first * page, count * page, device_address + first * page);
}

// Writes the device's own memory to a page and looks.
void try_page(const Edu& device, const Memory& memory, std::size_t number, const char* what, bool expected) {
    char* const there = memory.bytes + number * page;
    *there = 0;
    const bool ended = device.copy(own_memory, device_address + number * page, to_memory);
    say(what, ended && (*there == 'd') == expected, expected ? "arrived" : "refused", expected ? "LOST" : "OVERWRITTEN");
}

// Has the device and its descriptor; the first page says "driven".
struct Driver {
    Memory memory;
    struct smmu_object* object = nullptr;
    int descriptor = -1;

    bool begin() {
        if (memory.bytes == nullptr || smmu_init(0) == -1) return false;
        object = smmu_obj_create(SOCF_NONE);
        const union smmu_devid device = edu();
        if (object == nullptr || smmu_device_add_generic(object, &device) == -1 || grant(object, memory, 0, pages / 2) == -1) return false;
        descriptor = smmu_device_fd(&device);
        std::strcpy(memory.bytes, "driven");
        return descriptor != -1;
    }
};

void show_record() {
    struct smmu_event event{};
    event.size = sizeof event;
    pollfd waiting{smmu_event_fd(), POLLIN, 0};
    constexpr int patience_ms = 30000;
    if (poll(&waiting, 1, patience_ms) != 1 || smmu_event_read(&event, 1) != 1) {
        std::printf("record: NONE\n");
        return;
    }
    std::printf("record: %s of device %u:%u.%u, access %u at 0x%llx, %s\n", event.owner_pid == std::uint32_t(getpid()) ? "ours" : "SOMEBODY'S", event.device.pci.bus,
                event.device.pci.dev, event.device.pci.func, event.access, static_cast<unsigned long long>(event.address), smmu_cause_name(event.cause));
}

int tell_story() {
    Driver driver;
    if (!driver.begin()) return failed("granting");
    const Edu device(driver.descriptor);
    if (!device) return failed("the device's descriptor");
    smmu_event_fd();  // records begin with it
    const struct smmu_map_entry by_address = entry(0x5000);
    say("by address", smmu_mapping_add(driver.object, both, 0, 1, &by_address, 0) == -1 && errno == ENOTSUP, "ENOTSUP", "GRANTED");
    device.copy(device_address, own_memory, busy);
    try_page(device, driver.memory, 1, "granted", true);
    try_page(device, driver.memory, pages / 2, "not granted", false);
    show_record();

    const struct smmu_map_entry cut = entry(device_address + 4 * page);
    if (smmu_mapping_add(driver.object, SMF_NONE, 0, 1, &cut, 0) == -1) return failed("cutting");
    try_page(device, driver.memory, 4, "cut out", false);
    try_page(device, driver.memory, 3, "before the cut", true);
    try_page(device, driver.memory, 5, "behind the cut", true);
    if (grant(driver.object, driver.memory, 4, 1) == -1) return failed("granting again");
    try_page(device, driver.memory, 4, "granted again", true);

    struct smmu_object* const other = smmu_obj_create(SOCF_NONE);
    if (grant(other, driver.memory, pages / 2, 1) == -1 || smmu_device_add_pci(other, 0, 3, 0) == -1) return failed("moving");
    try_page(device, driver.memory, 1, "moved, granted before", false);
    try_page(device, driver.memory, pages / 2, "moved, granted there", true);
    if (smmu_device_add_pci(nullptr, 0, 3, 0) == -1) return failed("removing");
    try_page(device, driver.memory, pages / 2, "removed, descriptor kept", false);
    const union smmu_devid name = edu();
    say("descriptor after removal", smmu_device_fd(&name) == -1 && errno == EPERM, "EPERM", "GIVEN");
    return 0;
}

int hold(bool leave) {
    Driver driver;
    if (!driver.begin()) return failed("granting");
    const Edu device(driver.descriptor);
    device.copy(device_address, own_memory, busy);
    try_page(device, driver.memory, 1, "granted", true);
    if (leave && smmu_obj_destroy_checked(driver.object) == -1) return failed("destroying");
    if (leave) smmu_fini();
    std::printf("waiting\n");
    std::fflush(stdout);
    for (;;) pause();
}

int claim(unsigned bus, unsigned device, unsigned function) {
    if (smmu_init(0) == -1) return failed("smmu_init");
    struct smmu_object* const object = smmu_obj_create(SOCF_NONE);
    if (smmu_device_add_pci(object, bus, device, function) == -1) return failed("claiming");
    std::printf("claiming: had\n");
    return 0;
}

// Every second page: they do not continue each other.
int grant_pieces() {
    Driver driver;
    if (!driver.begin()) return failed("granting");
    std::size_t had = 0;
    for (std::size_t i = pages / 2 + 1; i < pages; i += 2) {
        if (grant(driver.object, driver.memory, i, 1) == -1) {
            std::printf("after %zu pieces: ", had);
            failed("granting");
            break;
        }
        ++had;
    }
    // Piece by piece without a device, and then one mapping.
    struct smmu_object* const joined = smmu_obj_create(SOCF_NONE);
    for (std::size_t i = 0; i < pages; ++i)
        if (grant(joined, driver.memory, i, 1) == -1) return failed("granting without a device");
    if (smmu_device_add_pci(joined, 0, 3, 0) == -1) return failed("joining");
    const Edu device(driver.descriptor);
    device.copy(device_address, own_memory, busy);
    try_page(device, driver.memory, pages - 1, "joined", true);
    return 0;
}

}  // namespace

int main(int count, char** words) {
    const std::string task = count > 1 ? words[1] : "";
    if (task == "story") return tell_story();
    if (task == "hold" || task == "leave") return hold(task == "leave");
    if (task == "pieces") return grant_pieces();
    if (task == "claim" && count == 5) return claim(unsigned(std::atoi(words[2])), unsigned(std::atoi(words[3])), unsigned(std::atoi(words[4])));
    std::fprintf(stderr, "usage: host_vfio (story | hold | leave | pieces | claim BUS DEVICE FUNCTION)\n");
    return 2;
}
