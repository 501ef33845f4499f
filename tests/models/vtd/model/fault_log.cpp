// SPDX-License-Identifier: Apache-2.0
#include "tests/models/vtd/model/fault_log.hpp"

#include <algorithm>

namespace smmu::model::vtd {

void FaultLog::record(const Request& request, Fault fault) {
    if (overflow_) return;
    const auto same_source = [&](const Record& record) {
        return record.pending() && std::uint16_t(record.high) == request.source;
    };
    if (collapses_ && std::ranges::any_of(records_, same_source)) return;
    Record& record = records_[next_];
    if (record.pending()) {
        overflow_ = true;
        return;
    }
    if (std::ranges::none_of(records_, &Record::pending)) first_ = next_;
    record.low = request.address & ~0xfffull;
    // T1 (bit 126) and T2 (bit 92): 00 is a write, 10 a read.
    record.high = std::uint64_t{1} << 63 | std::uint64_t{!request.write} << 62 |
                  std::uint64_t(request.type) << 60 |
                  std::uint64_t(request.pasid.value_or(0)) << 40 |
                  std::uint64_t(fault.reason) << 32 |
                  std::uint64_t(request.pasid.has_value()) << 31 | request.source;
    next_ = (next_ + 1) % unsigned(records_.size());
}

std::uint32_t FaultLog::status() const {
    const bool pending = std::ranges::any_of(records_, &Record::pending);
    return std::uint32_t(overflow_) | std::uint32_t(pending) << 1 | (pending ? first_ << 8 : 0);
}

std::uint32_t FaultLog::read(unsigned dword) const {
    const Record& record = records_[dword / 4];
    const std::uint64_t word = dword % 4 < 2 ? record.low : record.high;
    return std::uint32_t(dword % 2 == 0 ? word : word >> 32);
}

// Only F can be written, and only cleared.
void FaultLog::write(unsigned dword, std::uint32_t value) {
    if (dword % 4 != 3 || value >> 31 == 0) return;
    records_[dword / 4].high &= ~(std::uint64_t{1} << 63);
    for (std::size_t i = 0; i < records_.size() && !records_[first_].pending(); ++i)
        first_ = (first_ + 1) % unsigned(records_.size());
}

}  // namespace smmu::model::vtd
