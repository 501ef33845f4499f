// SPDX-License-Identifier: Apache-2.0
// A program that means harm, on a real kernel; it runs inside a guest, as the user who starts it.
//
//   hostile wild          the edu device writes to memory that nobody granted: "refused" or "OVERWRITTEN"
//   hostile packets       random bytes and random commands on connections of their own
//   hostile descriptors   packets with as many descriptors as the kernel lets through, which nobody asked for
//   hostile memory        grants of memory that can be taken away from below; all must be refused
//   hostile deaths        children that are killed while they grant memory
//   hostile crowd         connections that say nothing, as many as this process may have
#include <fcntl.h>
#include <linux/memfd.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "smmu.h"
#include "smmu_ext.h"

namespace {

constexpr const char* socket_path = "/run/smmuman/smmuman.sock";
const std::string function = "/sys/bus/pci/devices/0000:00:03.0/";
constexpr std::size_t page = 4096, huge_page = std::size_t{2} << 20, register_bytes = std::size_t{1} << 20;

int failed(const char* what, const char* why) {
    std::printf("%s: %s\n", what, why);
    return 1;
}

std::uint64_t physical_address(const void* memory) {
    const int pages = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    std::uint64_t entry = 0;
    const auto place = off_t(reinterpret_cast<std::uintptr_t>(memory) / page * sizeof entry);
    const bool known = pread(pages, &entry, sizeof entry, place) == sizeof entry;
    close(pages);
    return known ? (entry & ((std::uint64_t{1} << 55) - 1)) * page : 0;
}

// The device is told to write 16 bytes of its own memory to `address`.
bool write_by_device(std::uint64_t address) {
    std::ofstream(function + "enable") << 1;
    const int config = open((function + "config").c_str(), O_RDWR | O_CLOEXEC);
    constexpr std::uint16_t memory_and_master = 6, command = 4;
    if (pwrite(config, &memory_and_master, sizeof memory_and_master, command) != sizeof memory_and_master) return false;
    const int file = open((function + "resource0").c_str(), O_RDWR | O_SYNC | O_CLOEXEC);
    void* const start = mmap(nullptr, register_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (start == MAP_FAILED) return false;
    auto* const registers = static_cast<volatile std::uint64_t*>(start);
    constexpr std::uint64_t own_memory = 0x40000, bytes = 16, begin_writing = 3, busy = 1;
    registers[0x80 / 8] = own_memory;
    registers[0x88 / 8] = address;
    registers[0x90 / 8] = bytes;
    registers[0x98 / 8] = begin_writing;
    for (int waited = 0; waited < 1000; ++waited) {
        if ((registers[0x98 / 8] & busy) == 0) return true;
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return false;
}

int go_wild() {
    void* const start = mmap(nullptr, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED | MAP_POPULATE, -1, 0);
    if (start == MAP_FAILED) return failed("memory", std::strerror(errno));
    std::memset(start, 0xa5, page);
    const std::uint64_t address = physical_address(start);
    if (address == 0) return failed("the page's address", "not to be had");
    if (!write_by_device(address)) return failed("device", "it does not write");
    std::puts(*static_cast<volatile unsigned char*>(start) == 0xa5 ? "refused" : "OVERWRITTEN");
    return 0;
}

int connect_to_service() {
    const int connection = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
    std::strcpy(address.sun_path, socket_path);
    const timeval patience{.tv_sec = 2, .tv_usec = 0};
    setsockopt(connection, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (connection >= 0 && connect(connection, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return connection;
    if (connection >= 0) close(connection);
    return -1;
}

int send_packets(std::mt19937& random) {
    int sent = 0;
    for (int round = 0; round < 200; ++round) {
        const int connection = connect_to_service();
        if (connection < 0) return failed("connecting", std::strerror(errno));
        for (int i = 0; i < 20; ++i) {
            std::vector<std::uint8_t> packet(16 + random() % 200);
            for (std::uint8_t& byte : packet) byte = std::uint8_t(random() % 3 == 0 ? random() : 0);
            if (random() % 4 != 0) {  // with a header that holds: size, opcode and version, number, size of the body
                const std::array<std::uint32_t, 4> header{std::uint32_t(packet.size()), std::uint32_t(1 + random() % 16) | 1u << 16,
                                                          std::uint32_t(i), std::uint32_t(random() % packet.size())};
                std::memcpy(packet.data(), header.data(), sizeof header);
            }
            if (send(connection, packet.data(), packet.size(), MSG_NOSIGNAL) < 0) break;
            ++sent;
        }
        close(connection);
    }
    std::printf("%d packets\n", sent);
    return 0;
}

int send_descriptors() {
    constexpr int at_once = 253;  // the most that one packet can carry
    const int file = memfd_create("unasked", MFD_CLOEXEC);
    const std::vector<int> files(at_once, file);
    std::vector<std::uint8_t> control(CMSG_SPACE(at_once * sizeof(int)));
    int sent = 0;
    for (int round = 0; round < 100; ++round) {
        const int connection = connect_to_service();
        if (connection < 0) return failed("connecting", std::strerror(errno));
        std::array<std::uint32_t, 4> header{16, 1u | 1u << 16, 0, 0};
        iovec part{header.data(), sizeof header};
        msghdr message{};
        message.msg_iov = &part;
        message.msg_iovlen = 1;
        message.msg_control = control.data();
        message.msg_controllen = control.size();
        cmsghdr* const head = CMSG_FIRSTHDR(&message);
        head->cmsg_level = SOL_SOCKET;
        head->cmsg_type = SCM_RIGHTS;
        head->cmsg_len = CMSG_LEN(at_once * sizeof(int));
        std::memcpy(CMSG_DATA(head), files.data(), at_once * sizeof(int));
        for (int i = 0; i < 20 && sendmsg(connection, &message, MSG_NOSIGNAL) >= 0; ++i) sent += at_once;
        close(connection);
    }
    std::printf("%d descriptors\n", sent);
    return 0;
}

struct smmu_object* own_device() {
    struct smmu_object* const object = smmu_init(0) == -1 ? nullptr : smmu_obj_create(SOCF_NONE);
    return object != nullptr && smmu_device_add_pci(object, 0, 3, 0) != -1 ? object : nullptr;
}

// Offers 2 MiB of a file with these seals. True: they were taken.
bool is_taken(struct smmu_object* object, unsigned kind, int seals, int& file) {
    file = memfd_create("offered", MFD_CLOEXEC | MFD_ALLOW_SEALING | kind);
    if (ftruncate(file, off_t(huge_page)) != 0 || (seals != 0 && fcntl(file, F_ADD_SEALS, seals) != 0)) return false;
    const bool taken = smmu_mapping_add_fd(object, SMF_READ | SMF_WRITE, file, 0, huge_page, 0x200000) != -1;
    std::printf("  %s\n", taken ? "taken" : smmu_strerror_last());
    return taken;
}

int offer_memory() {
    struct smmu_object* const object = own_device();
    if (object == nullptr) return failed("device", smmu_strerror_last());
    int file = -1;
    bool right = true;
    for (const int seals : {0, F_SEAL_GROW}) {
        if (is_taken(object, MFD_HUGETLB | MFD_HUGE_2MB, seals, file)) right = ftruncate(file, 0) != 0;
        close(file);
    }
    const int folder = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    const int pipe_like = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    for (const int odd : {folder, pipe_like})
        right = smmu_mapping_add_fd(object, SMF_READ, odd, 0, huge_page, 0x400000) == -1 && right;
    const bool sealed = is_taken(object, MFD_HUGETLB | MFD_HUGE_2MB, F_SEAL_SHRINK | F_SEAL_GROW, file);
    right = sealed && ftruncate(file, 0) == -1 && errno == EPERM && right;
    for (const std::uint64_t far : {~std::uint64_t{0}, ~std::uint64_t{0} - huge_page, std::uint64_t{1}})
        right = smmu_mapping_add_fd(object, SMF_READ, file, far, huge_page, 0x600000) == -1 && right;
    std::puts(right ? "nothing can be taken away from below" : "TAKEN");
    return right ? 0 : 1;
}

[[noreturn]] void grant_until_killed() {
    struct smmu_object* const object = own_device();
    int file = -1;
    while (object != nullptr) {
        is_taken(object, MFD_HUGETLB | MFD_HUGE_2MB, F_SEAL_SHRINK | F_SEAL_GROW, file);
        const struct smmu_map_entry entry = {.phys = 0x200000, .len = huge_page};
        smmu_mapping_add(object, SMF_NONE, 0, 1, &entry, 0);
        close(file);
    }
    _exit(1);
}

int die_often(std::mt19937& random) {
    int killed = 0;
    std::fflush(stdout);
    for (int round = 0; round < 20; ++round) {
        const pid_t child = fork();
        if (child == 0) {
            if (std::freopen("/dev/null", "w", stdout) == nullptr) _exit(1);
            grant_until_killed();
        }
        std::this_thread::sleep_for(std::chrono::microseconds(random() % 60'000));
        kill(child, SIGKILL);
        int status = 0;
        waitpid(child, &status, 0);
        killed += WIFSIGNALED(status) ? 1 : 0;
    }
    std::printf("%d of 20 were killed in the middle\n", killed);
    return 0;
}

int crowd() {
    std::vector<int> connections;
    for (int connection = connect_to_service(); connection >= 0; connection = connect_to_service()) connections.push_back(connection);
    std::printf("%zu connections\n", connections.size());
    return 0;
}

}  // namespace

int main(int count, char** words) {
    const std::string task = count > 1 ? words[1] : "";
    std::mt19937 random(1);
    if (task == "wild") return go_wild();
    if (task == "packets") return send_packets(random);
    if (task == "descriptors") return send_descriptors();
    if (task == "memory") return offer_memory();
    if (task == "deaths") return die_often(random);
    if (task == "crowd") return crowd();
    std::fprintf(stderr, "usage: hostile (wild | packets | descriptors | memory | deaths | crowd)\n");
    return 2;
}
