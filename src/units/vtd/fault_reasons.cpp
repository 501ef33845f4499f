// SPDX-License-Identifier: Apache-2.0
#include "units/vtd/fault_reasons.hpp"

#include <algorithm>
#include <iterator>

namespace smmu::units::vtd {
namespace {

using enum Refusal::Reason;

// Ascending by code. Address: whether the record's address field holds a device address.
constexpr FaultReason reasons[] = {
    {0x01, 0, unknown_stream, true, "root entry not present"},
    {0x02, 0, unknown_stream, true, "context entry not present"},
    {0x03, 0, configuration, true, "context entry invalid"},
    {0x04, 2, not_mapped, true, "address beyond the width of the table"},
    {0x05, 2, not_mapped, true, "no write permission in the second stage"},
    {0x06, 2, not_mapped, true, "no read permission in the second stage"},
    {0x07, 2, configuration, true, "access to a second-stage table failed"},
    {0x08, 0, configuration, true, "access to the root table failed"},
    {0x09, 0, configuration, true, "access to a context table failed"},
    {0x0a, 0, configuration, true, "reserved bits set in a root entry"},
    {0x0b, 0, configuration, true, "reserved bits set in a context entry"},
    {0x0c, 2, configuration, true, "reserved bits set in a second-stage entry"},
    {0x0d, 0, permission, true, "translated requests are not allowed for this device"},
    {0x0e, 2, configuration, true, "translation leads to the interrupt addresses"},
    {0x20, 0, other, false, "interrupt request with reserved fields set"},
    {0x21, 0, other, false, "interrupt index beyond the table"},
    {0x22, 0, other, false, "interrupt table entry not present"},
    {0x23, 0, other, false, "access to the interrupt table failed"},
    {0x24, 0, other, false, "reserved bits set in an interrupt table entry"},
    {0x25, 0, other, false, "compatibility-format interrupt blocked"},
    {0x26, 0, other, false, "interrupt from a device it is not meant for"},
    {0x29, 0, other, false, "interrupt table entry refused"},
    {0x2a, 0, other, false, "interrupt table entry refused"},
    {0x2b, 0, other, false, "interrupt table entry refused"},
    {0x30, 0, configuration, true, "root table address invalid"},
    {0x31, 0, other, true, "request with a process id in legacy mode"},
    {0x32, 0, other, true, "page request in legacy mode"},
    {0x33, 0, other, true, "blocked by abort mode"},
    {0x34, 0, permission, true, "request to execute blocked"},
    {0x38, 0, configuration, true, "access to the scalable root table failed"},
    {0x39, 0, unknown_stream, true, "scalable root entry not present"},
    {0x3a, 0, configuration, true, "reserved bits set in a scalable root entry"},
    {0x40, 0, configuration, true, "access to a scalable context table failed"},
    {0x41, 0, unknown_stream, true, "scalable context entry not present"},
    {0x42, 0, configuration, true, "reserved bits set in a scalable context entry"},
    {0x43, 0, configuration, true, "scalable context entry invalid"},
    {0x44, 0, permission, true, "translation requests are disabled for this device"},
    {0x45, 0, permission, true, "process ids are disabled for this device"},
    {0x46, 0, other, true, "process id beyond the directory"},
    {0x47, 0, permission, true, "page requests are disabled for this device"},
    {0x48, 0, other, true, "process id reserved for requests without one"},
    {0x49, 0, other, true, "execute requests are disabled for this device"},
    {0x50, 0, configuration, true, "access to a process directory failed"},
    {0x51, 0, unknown_stream, true, "process directory entry not present"},
    {0x52, 0, configuration, true, "reserved bits set in a process directory entry"},
    {0x58, 0, configuration, true, "access to a process table failed"},
    {0x59, 0, unknown_stream, true, "process table entry not present"},
    {0x5a, 0, configuration, true, "reserved bits set in a process table entry"},
    {0x5b, 0, configuration, true, "process table entry invalid"},
    {0x5c, 0, permission, true, "execute requests not allowed for this process id"},
    {0x5d, 0, permission, true, "supervisor requests not allowed for this process id"},
    {0x60, 0, configuration, true, "host permission table size invalid"},
    {0x70, 1, configuration, true, "access to a first-stage table failed"},
    {0x71, 1, not_mapped, true, "first-stage entry not present"},
    {0x72, 1, configuration, true, "reserved bits set in a first-stage entry"},
    {0x73, 1, configuration, true, "access to the first-stage root failed"},
    {0x74, 1, configuration, true, "nested first-stage access failed"},
    {0x75, 1, configuration, true, "nested first-stage access failed"},
    {0x76, 1, configuration, true, "nested first-stage access failed"},
    {0x77, 1, configuration, true, "nested first-stage access failed"},
    {0x78, 2, configuration, true, "access to a second-stage table failed"},
    {0x79, 2, not_mapped, true, "second-stage permission missing"},
    {0x7a, 2, configuration, true, "reserved bits set in a second-stage entry"},
    {0x7b, 2, configuration, true, "access to the second-stage root failed"},
    {0x7c, 2, configuration, true, "second-stage accessed bit could not be set"},
    {0x7d, 2, configuration, true, "second-stage dirty bit could not be set"},
    {0x80, 1, not_mapped, true, "address not canonical"},
    {0x81, 1, permission, true, "user request to a supervisor page"},
    {0x83, 0, not_mapped, true, "address beyond the host's width"},
    {0x84, 2, not_mapped, true, "address beyond the width of the table"},
    {0x85, 0, not_mapped, true, "no write permission"},
    {0x86, 0, not_mapped, true, "no read permission"},
    {0x87, 0, configuration, true, "translation leads to the interrupt addresses"},
    {0x89, 0, other, true, "process id wider than the unit supports"},
    {0x90, 1, configuration, true, "first-stage accessed bit could not be set"},
    {0x91, 1, configuration, true, "first-stage dirty bit could not be set"},
    {0xa0, 0, other, true, "refused by the host permission table"},
    {0xa1, 0, other, true, "refused by the host permission table"},
    {0xa2, 0, other, true, "refused by the host permission table"},
    {0xa3, 0, other, true, "refused by the host permission table"},
    {0xa4, 0, other, true, "refused by the host permission table"},
    {0xa5, 0, other, true, "refused by the host permission table"},
};

constexpr bool by_code(const FaultReason& a, const FaultReason& b) {
    return a.code < b.code;
}
static_assert(std::is_sorted(std::begin(reasons), std::end(reasons), by_code));

constexpr std::uint8_t first_interrupt_code = 0x20, last_interrupt_code = 0x2f;

}  // namespace

FaultReason fault_reason(std::uint8_t code) {
    const FaultReason wanted{code, 0, other,
                             code < first_interrupt_code || code > last_interrupt_code,
                             "reason not known to this driver"};
    const auto* const found =
        std::lower_bound(std::begin(reasons), std::end(reasons), wanted, by_code);
    return found != std::end(reasons) && found->code == code ? *found : wanted;
}

}  // namespace smmu::units::vtd
