// SPDX-License-Identifier: Apache-2.0
// Wire: the packets of the board protocol, byte for byte. One packet is one message on a
// SOCK_SEQPACKET unix socket; all numbers are little endian; each structure is a whole number of
// eight-byte words.
//
// A client sends one request and waits for its answer before the next. An answer begins with the
// header of its request with `status` set: 0, or an errno value and then nothing follows. The one
// packet a board sends unasked is `stop`, and only to the connection that is the tap.
#pragma once

#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace smmu::link {

static_assert(std::endian::native == std::endian::little,
              "packets are copied as they lie in memory");

inline constexpr std::uint32_t protocol_version = 1;

inline constexpr std::size_t max_operations = 1024;  // register accesses in one packet
inline constexpr std::size_t max_ram_ranges = 8;
inline constexpr std::size_t max_name_bytes = 64;       // a board's name, with its terminating zero
inline constexpr std::size_t max_log_path_bytes = 512;  // likewise
inline constexpr std::chrono::seconds max_stop{10};     // then the board goes on without its tap
inline constexpr std::size_t max_tables = 256;
inline constexpr std::size_t max_table_file_bytes = 16u << 20;

enum class Kind : std::uint16_t {
    hello = 1,  // count = protocol version           -> WireMachine
    operate =
        2,    // count x WireOperation              -> count x u64, one for each reading operation
    ram = 3,  //                                    -> the descriptor of the RAM file
    tables =
        4,      //                                    -> the descriptor of the firmware tables' file
    claim = 5,  // be the one IOMMU driver            -> EBUSY: count = pid of the one that is
    shut_down = 6,  // the board ends after the answer
    tap = 7,        // WireTap: stop after each write of others in the range
    resume = 8,     // WireResume, count = Fate           -> ESTALE: the board went on by itself
    stop = 9,       // from the board: WireStop
};

struct WireHeader {
    std::uint16_t kind;
    std::uint16_t status;
    std::uint32_t count;
};
static_assert(sizeof(WireHeader) == 8);

struct WireOperation {
    std::uint8_t kind;   // OperationKind
    std::uint8_t bytes;  // 1, 2, 4 or 8
    std::uint8_t zero[6];
    std::uint64_t address;  // physical address, or I/O port
    std::uint64_t value;    // what a write writes; 0 for a read
};
static_assert(sizeof(WireOperation) == 24);

struct WireRamRange {
    std::uint64_t base;    // physical address
    std::uint64_t length;  // bytes
    std::uint64_t offset;  // of its first byte in the RAM file
};
static_assert(sizeof(WireRamRange) == 24);

struct WireMachine {
    std::uint32_t version;
    std::uint32_t interrupts;  // Interrupts
    std::uint8_t boot_identity[16];
    char name[max_name_bytes];
    char log_path[max_log_path_bytes];
    std::uint64_t ram_range_count;
    WireRamRange ram[max_ram_ranges];
};
static_assert(sizeof(WireMachine) == 8 + 16 + 64 + 512 + 8 + 8 * 24);

struct WireTap {
    std::uint64_t first;
    std::uint64_t last;
};
static_assert(sizeof(WireTap) == 16);

struct WireResume {
    std::uint64_t sequence;
};
static_assert(sizeof(WireResume) == 8);

struct WireStop {
    std::uint64_t address;
    std::uint64_t value;
    std::uint64_t sequence;
    std::uint32_t bytes;
    std::uint32_t writer;  // pid of the process whose write this was
};
static_assert(sizeof(WireStop) == 32);

// The firmware tables' file: WireTableHeader and the table's bytes, padded to eight, once for each
// table.
struct WireTableHeader {
    char name[8];           // "DMAR", zero filled
    std::uint64_t address;  // where it lies in RAM; 0 when the board's description supplied it
    std::uint64_t length;
};
static_assert(sizeof(WireTableHeader) == 24);

inline constexpr std::size_t max_packet_bytes =
    sizeof(WireHeader) + max_operations * sizeof(WireOperation);
static_assert(max_packet_bytes >= sizeof(WireHeader) + sizeof(WireMachine));

}  // namespace smmu::link
