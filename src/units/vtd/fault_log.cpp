// SPDX-License-Identifier: Apache-2.0
#include "units/vtd/fault_log.hpp"

#include <algorithm>

#include "units/vtd/fault_reasons.hpp"

namespace smmu::units::vtd {
namespace {

// {T1, T2}: 0 write, 1 page request, 2 read, 3 atomic.
Access access_of(hw::Bits<FaultRecordHigh> high) {
    const auto type = high[FaultRecordHigh::type_1] << 1 | high[FaultRecordHigh::type_2];
    switch (type) {
        case 0:
            return Access::write;
        case 2:
            return high.has(FaultRecordHigh::execute) ? Access::execute : Access::read;
        case 3:
            return read_write;
        default:
            return Access::none;
    }
}

Refusal decoded(hw::Bits<FaultRecordLow> low, hw::Bits<FaultRecordHigh> high) {
    const FaultReason reason =
        fault_reason(static_cast<std::uint8_t>(high[FaultRecordHigh::reason]));
    Refusal refusal;
    refusal.stream = StreamId(static_cast<std::uint32_t>(high[FaultRecordHigh::source]));
    refusal.address = {low.in_place(FaultRecordLow::page)};
    refusal.address_known = reason.address_known;
    refusal.access = access_of(high);
    refusal.reason = reason.reason;
    refusal.stage = reason.stage;
    refusal.raw = {low.raw(), high.raw(), 0, 0};
    refusal.hardware_text = reason.text;
    return refusal;
}

class Nobody final : public RefusalSink {
    void refused(const Refusal&) noexcept override {}
};

}  // namespace

Drained FaultLog::drain(RefusalSink& sink) noexcept {
    const hw::Registers& registers = hardware_.registers();
    const Features& features = hardware_.features();
    const auto status = registers.read<FaultStatus>();
    if (status.raw() == ~std::uint32_t{0}) return {};

    Drained drained;
    const unsigned bound = std::min(features.fault_records, records_per_call);
    unsigned index = status[FaultStatus::first_record] % features.fault_records;
    while (status.has(FaultStatus::pending) && drained.seen < bound) {
        const std::uint64_t record = features.fault_registers + index * fault_record_bytes;
        // Hardware may write a record dword by dword; F comes last.
        if (!registers.read<FaultRecordTop>(record).has(FaultRecordTop::fault)) break;
        const auto low = registers.read<FaultRecordLow>(record);
        const auto high = registers.read<FaultRecordHigh>(record);
        registers.write(FaultRecordTop::fault(1), record);
        sink.refused(decoded(low, high));
        ++drained.seen;
        index = (index + 1) % features.fault_records;
    }
    const auto after = registers.read<FaultStatus>();
    drained.more = drained.seen == bound && after.has(FaultStatus::pending);
    if (after.has(FaultStatus::overflow)) {
        drained.lost = 1;
        registers.write(FaultStatus::overflow(1));
    }
    // A device answered an invalidation it was not asked for. Nothing waits for it.
    if (after.has(FaultStatus::queue_completion)) registers.write(FaultStatus::queue_completion(1));
    return drained;
}

void FaultLog::discard() noexcept {
    Nobody nobody;
    const unsigned calls = hardware_.features().fault_records / records_per_call + 1;
    for (unsigned call = 0; call < calls; ++call)
        if (!drain(nobody).more) return;
}

}  // namespace smmu::units::vtd
